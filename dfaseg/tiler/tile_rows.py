"""Rows of selected tiles with the pixels they are cut from, as a slide is read top to bottom."""

from collections.abc import Generator
from concurrent.futures import Executor
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from dfaseg.geometry import Tile, TileGrid
from dfaseg.slide.slide import Slide
from dfaseg.tiler.needed import native_tile_uses, needed_native_tiles
from dfaseg.tiler.plan import ReadPlan
from dfaseg.tiler.rows import RowReader, RowStrip
from dfaseg.tiler.strips import MOST_AHEAD, WHITE
from dfaseg.tiler.unreadable import Reasons, UnreadableTiles


@dataclass(frozen=True, slots=True)
class TileRow:
    """The selected tiles of one row of the grid.

    Attributes:
        tiles: Their places, from left to right; at least one.
        parts: What they are cut from: RGB, shape ``(rows, plan.width, 3)`` each, top to bottom;
            together fewer rows than a patch where the tiles overhang the slide.
    """

    tiles: tuple[Tile, ...]
    parts: tuple[NDArray[np.uint8], ...]

    def cut(self, tile: Tile, patch: NDArray[np.uint8]) -> None:
        """Write the pixels of a tile to ``patch``, ``(patch_px, patch_px, 3)``.

        White outside the slide.
        """
        x, right = tile.mask_rect.x, tile.mask_rect.right
        top = 0
        for part in self.parts:
            piece = part[:, x:right]
            rows = patch[top : top + len(piece)]
            rows[:, : piece.shape[1]] = piece
            rows[:, piece.shape[1] :] = WHITE
            top += len(piece)
        patch[top:] = WHITE


class TileRows:
    """Reads the selected tiles of a slide row by row, each native tile once.

    Args:
        slide: Open slide; stays open.
        plan: Level and scale to read at.
        grid: Tiles over the plan's mask frame.
        selected: Tiles to read, shape ``(grid.num_rows, grid.num_cols)``.
        first_row: Row of tiles to begin with.
        unreadable: Native tiles that an earlier part of the run could not decode. They may reach
            into rows that are not finished, and nobody need ask for them again.

    Attributes:
        slide: The open slide.
        plan: Level and scale to read at.
        level: The level that is read.
        grid: Tiles over the plan's mask frame.
        selected: Tiles to read that earlier parts of the run have not.
        unreadable: Native tiles that could not be decoded; complete for all rows yielded so far.
    """

    def __init__(
        self,
        slide: Slide,
        plan: ReadPlan,
        grid: TileGrid,
        selected: NDArray[np.bool_],
        *,
        first_row: int = 0,
        unreadable: Reasons = MappingProxyType({}),
    ) -> None:
        self.slide = slide
        self.plan = plan
        self.level = slide.info.levels[plan.level]
        self.grid = grid
        self.unreadable = UnreadableTiles(plan, self.level, unreadable)
        self.selected = selected.copy()
        self.selected[:first_row] = False

    def rows_left(self) -> list[int]:
        """Return the rows of the grid that hold selected tiles."""
        rows: list[int] = np.flatnonzero(self.selected.any(axis=1)).tolist()
        return rows

    def tiles_of(self, row: int) -> tuple[Tile, ...]:
        """Return the selected tiles of a row, from left to right."""
        return tuple(
            self.grid.tile(row, col) for col in np.flatnonzero(self.selected[row]).tolist()
        )

    def native_uses(self) -> NDArray[np.int64]:
        """Count the selected tiles that each native tile touches, ``(tile rows, tile columns)``."""
        return native_tile_uses(self.level, self.plan, self.grid, self.selected)

    def read(
        self, executor: Executor, num_workers: int, most_ahead: int = MOST_AHEAD
    ) -> Generator[TileRow, None, None]:
        """Yield the rows that hold selected tiles, in order.

        Args:
            executor: Threads that decode and resample.
            num_workers: How many these are.
            most_ahead: Most strips of the slide that are decoded ahead.

        Raises:
            SlideError: The slide failed in a way that is not bound to single tiles.
        """
        rows_left = self.rows_left()
        if not rows_left:
            return
        band = _RowBand(self.plan, self.grid)
        needed = needed_native_tiles(self.level, self.plan, self.grid, self.selected)
        reader = RowReader(
            self.slide,
            self.plan,
            executor,
            needed,
            num_workers=num_workers,
            most_ahead=most_ahead,
        )
        for strip in reader.strips(rows_left[0] * self.grid.stride_px):
            self.unreadable.note(reader.take_unreadable())
            band.append(strip)
            while rows_left and band.has_tile_row(rows_left[0]):
                row = rows_left.pop(0)
                yield TileRow(self.tiles_of(row), band.tile_row(row))
            if not rows_left:
                return
            band.forget_before(rows_left[0] * self.grid.stride_px)


class _RowBand:
    """The last strips of the mask frame, kept until every tile on them is cut."""

    def __init__(self, plan: ReadPlan, grid: TileGrid) -> None:
        self._plan = plan
        self._grid = grid
        self._end = 0
        self._strips: list[RowStrip] = []

    def append(self, strip: RowStrip) -> None:
        """Add the rows that follow the last ones."""
        self._strips.append(strip)
        self._end = strip.y + len(strip.pixels)

    def has_tile_row(self, row: int) -> bool:
        """Tell whether all pixels of a row of tiles have been read."""
        bottom = row * self._grid.stride_px + self._grid.patch_px
        return bool(self._strips) and self._end >= min(bottom, self._plan.height)

    def tile_row(self, row: int) -> tuple[NDArray[np.uint8], ...]:
        """Return the pieces of full-width rows that a row of tiles covers, top to bottom."""
        top = row * self._grid.stride_px
        bottom = top + self._grid.patch_px
        parts = [
            strip.pixels[max(0, top - strip.y) : max(0, bottom - strip.y)] for strip in self._strips
        ]
        return tuple(part for part in parts if len(part))

    def forget_before(self, y: int) -> None:
        """Drop strips that end above a mask row."""
        self._strips = [strip for strip in self._strips if strip.y + len(strip.pixels) > y]
