"""A bounded, ordered stream of patch batches, cut from a slide while it is decoded."""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from dfaseg.geometry import Rect, Tile, TileGrid
from dfaseg.mapped_memory import mapped_array
from dfaseg.slide.slide import Slide
from dfaseg.tiler.handover import made_ahead
from dfaseg.tiler.plan import ReadPlan
from dfaseg.tiler.strips import MOST_AHEAD
from dfaseg.tiler.tile_rows import TileRows
from dfaseg.tiler.unreadable import Reasons

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
        self._rows = TileRows(
            slide, plan, grid, selected, first_row=first_row, unreadable=unreadable
        )
        self._batch_size = batch_size
        self._num_workers = num_workers
        self._most_ahead = most_ahead

    @property
    def unreadable(self) -> dict[tuple[int, int], str]:
        """Reason for each native tile ``(column, row)`` that could not be decoded so far."""
        return self._rows.unreadable.reasons

    def unreadable_below(self, y: int) -> tuple[Rect, ...]:
        """Return the mask pixels of unreadable tiles that reach below a row, which only grows.

        Complete for all rows of the batches yielded so far.
        """
        return self._rows.unreadable.below(y)

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
        for row in self._rows.read(executor, self._num_workers, self._most_ahead):
            for tile in row.tiles:
                row.cut(tile, pixels[len(tiles)])
                tiles.append(tile)
                if len(tiles) == self._batch_size:
                    yield PatchBatch(tuple(tiles), pixels)
                    pixels, tiles = self._empty_batch(), []
        if tiles:
            yield PatchBatch(tuple(tiles), pixels[: len(tiles)])

    def _empty_batch(self) -> NDArray[np.uint8]:
        side = self._rows.grid.patch_px
        return mapped_array((self._batch_size, side, side, 3), np.uint8)
