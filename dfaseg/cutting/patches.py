"""The patches of a slide, written while the slide is decoded once from top to bottom."""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.cutting.encoding import ENDINGS, encode_label, encode_patch, write_bytes
from dfaseg.cutting.job import CutPlan
from dfaseg.cutting.places import tile_name
from dfaseg.cutting.spec import PatchFormat
from dfaseg.errors import StoppedError
from dfaseg.geometry import Rect, Tile
from dfaseg.slide.slide import Slide
from dfaseg.tiler.patch_jobs import do_patches
from dfaseg.tiler.tile_rows import TileRows

SECONDS_BETWEEN_SAVES = 30.0

Progress = Callable[[int, int], None]
"""Called with the number of tiles done and the number of all tiles."""
Fate = Literal["written", "unreadable", "unlabelled"]


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
class CutTile:
    """What became of a tile, and how many of its pixels have each class where there are labels."""

    row: int
    col: int
    fate: Fate
    class_pixels: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class CutState:
    """How far the cutting of a slide is.

    Attributes:
        next_row: First row of tiles that is not done.
        tiles: Those that are, in grid order.
        unreadable: Reason for each native tile (column, row) that could not be decoded.
    """

    next_row: int = 0
    tiles: tuple[CutTile, ...] = ()
    unreadable: Mapping[tuple[int, int], str] = field(default_factory=dict)

    def to_record(self) -> dict[str, Any]:
        """Return plain values that ``from_record`` reads back."""
        return {
            "next_row": self.next_row,
            "tiles": [[t.row, t.col, t.fate, list(t.class_pixels)] for t in self.tiles],
            "unreadable": [[*place, reason] for place, reason in sorted(self.unreadable.items())],
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "CutState":
        """Build the state that a stopped run has saved."""
        tiles = (CutTile(row, col, fate, tuple(px)) for row, col, fate, px in record["tiles"])
        unreadable = {(col, row): reason for col, row, reason in record["unreadable"]}
        return cls(record["next_row"], tuple(tiles), unreadable)


class PatchCutter:
    """Cuts the selected tiles of a slide into files.

    Args:
        slide: Open slide; stays open.
        cut: How it is cut.
        save: Format of the patches.
        images: Folder of the patches.
        masks: Folder of the label masks; without it only patches are written.
        labels: What the masks show; tiles without any label are left out.
    """

    def __init__(
        self,
        slide: Slide,
        cut: CutPlan,
        save: PatchFormat,
        images: Path,
        masks: Path | None = None,
        labels: TileLabels | None = None,
    ) -> None:
        self._slide = slide
        self._cut = cut
        self._save = save
        self._images = images
        self._masks = masks
        self._labels = labels

    def run(
        self,
        selected: NDArray[np.bool_],
        state: CutState,
        save_state: Callable[[CutState], None],
        progress: Progress,
        stop: threading.Event,
    ) -> CutState:
        """Cut all selected tiles from where a state says.

        Args:
            selected: Which tiles, shape ``(grid.num_rows, grid.num_cols)``.
            state: How far an earlier run came.
            save_state: Called now and then, at the end of a row of tiles.
            progress: Told how far the run is.
            stop: Set from elsewhere to stop at the end of the row of tiles under way.

        Raises:
            StoppedError: ``stop`` was set; the state is saved.
        """
        cut = self._cut
        rows = TileRows(
            self._slide,
            cut.plan,
            cut.grid,
            selected,
            first_row=state.next_row,
            unreadable=state.unreadable,
        )
        tiles = list(state.tiles)
        total, row, last_save = int(selected.sum()), state.next_row, time.monotonic()
        progress(len(tiles), total)
        with closing(do_patches(rows, self._write, num_workers=cut.num_workers)) as written:
            for tile in written:
                is_due = stop.is_set() or time.monotonic() - last_save > SECONDS_BETWEEN_SAVES
                if tile.row != row and is_due:
                    save_state(CutState(tile.row, tuple(tiles), rows.unreadable.reasons))
                    last_save = time.monotonic()
                    if stop.is_set():
                        raise self._stopped(len(tiles), total)
                row = tile.row
                tiles.append(tile)
                progress(len(tiles), total)
        return CutState(cut.grid.num_rows, tuple(tiles), rows.unreadable.reasons)

    def _stopped(self, done: int, total: int) -> StoppedError:
        return StoppedError(
            f"slide '{self._cut.slide_id}': stopped after {done} of {total} tiles; run the same"
            " command again to go on"
        )

    def _write(self, tile: Tile, pixels: NDArray[np.uint8] | None) -> CutTile:
        """Write a patch and its label mask; runs in several threads."""
        if pixels is None:
            return CutTile(tile.row, tile.col, "unreadable")
        plan = self._cut.plan
        name = tile_name(
            self._cut.slide_id,
            round(tile.mask_rect.x * plan.downsample_x),
            round(tile.mask_rect.y * plan.downsample_y),
        )
        counts: tuple[int, ...] = ()
        if self._labels is not None and self._masks is not None:
            label = self._labels.read(tile.mask_rect)
            counts = _count(label, self._labels.num_classes)
            if not any(counts):
                return CutTile(tile.row, tile.col, "unlabelled")
            write_bytes(self._masks / f"{name}.png", encode_label(label))
        patch = encode_patch(pixels, self._save)
        write_bytes(self._images / f"{name}{ENDINGS[self._save]}", patch)
        return CutTile(tile.row, tile.col, "written", counts)


def _count(label: NDArray[np.uint8], num_classes: int) -> tuple[int, ...]:
    counts = np.bincount(label.reshape(-1), minlength=IGNORE_INDEX + 1)
    return tuple(counts[:num_classes].tolist())
