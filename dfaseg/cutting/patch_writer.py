"""What is made of each patch: a file, and its label mask where there are labels."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from dfaseg.cutting.cut_state import CutTile
from dfaseg.cutting.encoding import ENDINGS, encode_label, encode_patch, write_bytes
from dfaseg.cutting.names import tile_name
from dfaseg.cutting.spec import PatchFormat
from dfaseg.geometry import Rect, Tile
from dfaseg.native.count import count_values
from dfaseg.tiler.patch_jobs import PatchJob
from dfaseg.tiler.plan import ReadPlan


class PartedLabel(Protocol):
    """A ``SlideLabel`` of which other processes can be sent a part.

    It is safe to read from several threads at once.
    """

    def read_rect(self, rect: Rect) -> NDArray[np.uint8]:
        """Return class indices, shape ``(h, w)``, of a region in label px; 255 is ignored."""
        ...

    def within(self, top: int, bottom: int) -> Self:
        """Return the same label for who reads only some rows, in label px."""
        ...


class TileWriter(Protocol):
    """Makes files of patches; other processes can be sent it."""

    def __call__(self, tiles: Sequence[Tile]) -> PatchJob[CutTile]:
        """Return what makes files of each of some patches, neighbours as a rule.

        It is given a tile and its pixels, None if these cannot be decoded, and raises OutputError
        where a file cannot be written.
        """
        ...

    def within(self, top: int, bottom: int) -> Self:
        """Return the same for patches that lie within some rows, in mask px."""
        ...


@dataclass(frozen=True, slots=True)
class PatchWriter:
    """Writes patches; see ``TileWriter``.

    Attributes:
        slide_id: Name of the slide in the names of files.
        plan: How the slide is read.
        save: Format of the patches.
        images: Folder of the patches.
    """

    slide_id: str
    plan: ReadPlan
    save: PatchFormat
    images: Path

    def __call__(self, tiles: Sequence[Tile]) -> PatchJob[CutTile]:  # noqa: ARG002 - as above
        """Return what writes a patch; see ``TileWriter``."""
        return self.write

    def write(self, tile: Tile, pixels: NDArray[np.uint8] | None) -> CutTile:
        """Write a patch.

        Raises:
            OutputError: It cannot be written.
        """
        if pixels is None:
            return CutTile(tile.row, tile.col, "unreadable")
        name = f"{self.name_of(tile)}{ENDINGS[self.save]}"
        write_bytes(self.images, name, encode_patch(pixels, self.save))
        return CutTile(tile.row, tile.col, "written")

    def within(self, top: int, bottom: int) -> Self:  # noqa: ARG002 - see ``TileWriter``
        """Return the writer itself."""
        return self

    def name_of(self, tile: Tile) -> str:
        """Return what a tile is called."""
        x = round(tile.mask_rect.x * self.plan.downsample_x)
        y = round(tile.mask_rect.y * self.plan.downsample_y)
        return tile_name(self.slide_id, x, y)


@dataclass(frozen=True, slots=True)
class PairWriter:
    """Writes patches with their label masks; those without any label are left out.

    Attributes:
        patches: Writes the patches.
        masks: Folder of the label masks.
        label: What they show, on the pixels of the patches.
        num_classes: How many classes there are.
    """

    patches: PatchWriter
    masks: Path
    label: PartedLabel
    num_classes: int

    def __call__(self, tiles: Sequence[Tile]) -> PatchJob[CutTile]:
        """Return what writes a pair; see ``TileWriter``."""
        # Shapes reach over several tiles as a rule, and are drawn once for all that have no gap.
        drawn = {}
        for run in _runs(tiles):
            first, last = run[0].mask_rect, run[-1].mask_rect
            whole = Rect(first.x, first.y, last.right - first.x, first.height)
            label = self.label.read_rect(whole)
            for tile in run:
                drawn[tile.col] = label[tile.mask_rect.shifted(-whole.x, -whole.y).slices]
        return partial(self._write, drawn)

    def _write(
        self,
        drawn: Mapping[int, NDArray[np.uint8]],
        tile: Tile,
        pixels: NDArray[np.uint8] | None,
    ) -> CutTile:
        if pixels is None:
            return self.patches.write(tile, None)
        label = np.ascontiguousarray(drawn[tile.col])
        counts = tuple(count_values(label)[: self.num_classes].tolist())
        if not any(counts):
            return CutTile(tile.row, tile.col, "unlabelled")
        write_bytes(self.masks, f"{self.patches.name_of(tile)}.png", encode_label(label))
        self.patches.write(tile, pixels)
        return CutTile(tile.row, tile.col, "written", counts)

    def within(self, top: int, bottom: int) -> Self:
        """Return the same with those labels only; see ``TileWriter``."""
        return replace(self, label=self.label.within(top, bottom))


def _runs(tiles: Sequence[Tile]) -> Iterator[list[Tile]]:
    """Divide tiles of one row of the grid, from left to right, where one is left out."""
    for _, run in groupby(enumerate(tiles), key=lambda numbered: numbered[1].col - numbered[0]):
        yield [tile for _, tile in run]
