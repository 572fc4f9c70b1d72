"""A bounded, ordered stream of patch batches, cut from a slide while it is decoded."""

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from dfaseg.geometry import Rect, Tile, TileGrid
from dfaseg.slide.slide import Slide
from dfaseg.tiler.handover import made_ahead
from dfaseg.tiler.needed import needed_native_tiles
from dfaseg.tiler.plan import ReadPlan
from dfaseg.tiler.rows import RowReader, RowStrip
from dfaseg.tiler.strip_buffers import MOST_AHEAD, WHITE
from dfaseg.tiler.unreadable import Reasons, UnreadableTiles

BATCHES_AHEAD = 3
"""Batches that wait for the device; more would only hold memory."""


Pixels = TypeVar("Pixels")
"""An array on the host or a tensor on a device."""


@dataclass(frozen=True, slots=True)
class PatchBatch(Generic[Pixels]):
    """Patches that go through the network together.

    Attributes:
        tiles: Their places, in grid order (row by row).
        pixels: RGB, uint8 ``(n, patch_px, patch_px, 3)``; white outside the slide. May hold more
            patches than there are tiles.
    """

    tiles: tuple[Tile, ...]
    pixels: Pixels


class PatchSource(Protocol[Pixels]):
    """Where batches come from: a stream that cuts patches on the host or on a device."""

    @property
    def unreadable(self) -> dict[tuple[int, int], str]:
        """Reason for each native tile ``(column, row)`` that could not be decoded so far."""
        ...

    def unreadable_below(self, y: int) -> tuple[Rect, ...]:
        """Return the mask pixels of unreadable tiles that reach below a row, which only grows.

        Complete for all rows of the batches yielded so far.
        """
        ...

    def __iter__(self) -> Iterator[PatchBatch[Pixels]]:
        """Yield the batches in grid order."""
        ...


class PatchStream:
    """Reads the selected tiles of a slide in grid order, each native tile once.

    Iterating starts the worker threads; leaving the iteration, even early, ends them.

    Args:
        slide: Open slide; stays open.
        plan: Level and scale to read at.
        grid: Tiles over the plan's mask frame.
        selected: Tiles to read, shape ``(grid.num_rows, grid.num_cols)``.
        batch_size: Most patches per batch; a batch may span several rows of tiles.
        num_workers: Threads that decode and resample.
        first_row: Row of tiles to begin with.
        unreadable: Native tiles that an earlier part of the run could not decode. They may reach
            into rows that are not finished, and nobody need ask for them again.
        most_ahead: Most strips of native tiles to decode ahead, where memory is short.
    """

    def __init__(  # noqa: PLR0913  # the last two say where a stopped run goes on
        self,
        slide: Slide,
        plan: ReadPlan,
        grid: TileGrid,
        selected: NDArray[np.bool_],
        *,
        batch_size: int,
        num_workers: int,
        first_row: int = 0,
        unreadable: Reasons = MappingProxyType({}),
        most_ahead: int = MOST_AHEAD,
    ) -> None:
        self._slide = slide
        self._plan = plan
        self._level = slide.info.levels[plan.level]
        self._grid = grid
        self._selected = selected.copy()
        self._selected[:first_row] = False
        self._batch_size = batch_size
        self._num_workers = num_workers
        self._most_ahead = most_ahead
        self._unreadable = UnreadableTiles(plan, self._level, unreadable)

    @property
    def unreadable(self) -> dict[tuple[int, int], str]:
        """Reason for each native tile ``(column, row)`` that could not be decoded so far."""
        return self._unreadable.reasons

    def unreadable_below(self, y: int) -> tuple[Rect, ...]:
        """Return the mask pixels of unreadable tiles that reach below a row, which only grows.

        Complete for all rows of the batches yielded so far.
        """
        return self._unreadable.below(y)

    def __iter__(self) -> Iterator[PatchBatch[NDArray[np.uint8]]]:
        """Yield the batches in grid order.

        Raises:
            SlideError: The slide failed in a way that is not bound to single tiles.
        """
        return made_ahead(self._make, BATCHES_AHEAD, name="patch-stream")

    def _make(self) -> Generator[PatchBatch[NDArray[np.uint8]], None, None]:
        with ThreadPoolExecutor(self._num_workers, thread_name_prefix="decode") as executor:
            yield from self._batches(executor)

    def _batches(self, executor: ThreadPoolExecutor) -> Iterator[PatchBatch[NDArray[np.uint8]]]:
        """Group the patches of consecutive tiles."""
        pixels, tiles = self._empty_batch(), list[Tile]()
        for tile, patch_rows in self._tiles_with_rows(executor):
            patch = pixels[len(tiles)]
            x, right, bottom = tile.mask_rect.x, tile.mask_rect.right, tile.mask_rect.bottom
            if right > self._plan.width or bottom > self._plan.height:
                patch[...] = WHITE
            top = 0
            for part in patch_rows:
                piece = part[:, x:right]
                patch[top : top + len(piece), : piece.shape[1]] = piece
                top += len(piece)
            tiles.append(tile)
            if len(tiles) == self._batch_size:
                yield PatchBatch(tuple(tiles), pixels)
                pixels, tiles = self._empty_batch(), []
        if tiles:
            yield PatchBatch(tuple(tiles), pixels[: len(tiles)])

    def _empty_batch(self) -> NDArray[np.uint8]:
        side = self._grid.patch_px
        return np.empty((self._batch_size, side, side, 3), np.uint8)

    def _tiles_with_rows(
        self, executor: ThreadPoolExecutor
    ) -> Iterator[tuple[Tile, Sequence[NDArray[np.uint8]]]]:
        """Yield each selected tile with the pieces of full-width rows it is cut from."""
        rows_left = np.flatnonzero(self._selected.any(axis=1)).tolist()
        if not rows_left:
            return
        band = _RowBand(self._plan, self._grid)
        needed = needed_native_tiles(self._level, self._plan, self._grid, self._selected)
        reader = RowReader(
            self._slide,
            self._plan,
            executor,
            needed,
            num_workers=self._num_workers,
            most_ahead=self._most_ahead,
        )
        for strip in reader.strips(rows_left[0] * self._grid.stride_px):
            self._unreadable.note(reader.take_unreadable())
            band.append(strip)
            while rows_left and band.has_tile_row(rows_left[0]):
                row = rows_left.pop(0)
                parts = band.tile_row(row)
                for col in np.flatnonzero(self._selected[row]):
                    yield self._grid.tile(row, int(col)), parts
            if not rows_left:
                return
            band.forget_before(rows_left[0] * self._grid.stride_px)


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

    def tile_row(self, row: int) -> list[NDArray[np.uint8]]:
        """Return the pieces of full-width rows that a row of tiles covers, top to bottom."""
        top = row * self._grid.stride_px
        bottom = top + self._grid.patch_px
        parts = [
            strip.pixels[max(0, top - strip.y) : max(0, bottom - strip.y)] for strip in self._strips
        ]
        return [part for part in parts if len(part)]

    def forget_before(self, y: int) -> None:
        """Drop strips that end above a mask row."""
        self._strips = [strip for strip in self._strips if strip.y + len(strip.pixels) > y]
