"""What is made of each patch: a file, and its label mask where there are labels."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.cutting.cut_state import CutTile
from dfaseg.cutting.encoding import ENDINGS, encode_label, encode_patch, write_bytes
from dfaseg.cutting.names import tile_name
from dfaseg.cutting.spec import PatchFormat
from dfaseg.geometry import Rect, Tile
from dfaseg.tiler.plan import ReadPlan


class TileLabels(Protocol):
    """Class indices of any part of a slide; safe to read from several threads at once."""

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        ...

    def read(self, mask_rect: Rect) -> NDArray[np.uint8]:
        """Return class indices, shape ``(h, w)``, of a rectangle in mask px; 255 is ignored."""
        ...


@dataclass(frozen=True, slots=True)
class PatchWriter:
    """Writes patches as files; a plain value that other processes can be sent.

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

    def __call__(self, tile: Tile, pixels: NDArray[np.uint8] | None) -> CutTile:
        """Write a patch; None stands for pixels that cannot be decoded.

        Raises:
            OutputError: It cannot be written.
        """
        if pixels is None:
            return CutTile(tile.row, tile.col, "unreadable")
        path = self.images / f"{self.name_of(tile)}{ENDINGS[self.save]}"
        write_bytes(path, encode_patch(pixels, self.save))
        return CutTile(tile.row, tile.col, "written")

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
        labels: What they show.
    """

    patches: PatchWriter
    masks: Path
    labels: TileLabels

    def __call__(self, tile: Tile, pixels: NDArray[np.uint8] | None) -> CutTile:
        """Write a pair; see ``PatchWriter``."""
        if pixels is None:
            return self.patches(tile, None)
        label = self.labels.read(tile.mask_rect)
        counts = _count(label, self.labels.num_classes)
        if not any(counts):
            return CutTile(tile.row, tile.col, "unlabelled")
        write_bytes(self.masks / f"{self.patches.name_of(tile)}.png", encode_label(label))
        self.patches(tile, pixels)
        return CutTile(tile.row, tile.col, "written", counts)


def _count(label: NDArray[np.uint8], num_classes: int) -> tuple[int, ...]:
    counts = np.bincount(label.reshape(-1), minlength=IGNORE_INDEX + 1)
    return tuple(counts[:num_classes].tolist())
