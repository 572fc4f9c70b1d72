"""A bounded, ordered stream of patch batches that are cut on a device.

The host decodes; the device shrinks and cuts. Pixels cross over once, as the file stores them,
however much patches overlap, and the result is the very bits that ``tiler.stream`` gives.
"""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dfaseg.geometry import Rect, Tile, TileGrid
from dfaseg.inference.on_device.lane import Lane
from dfaseg.inference.on_device.row_band import RowBand
from dfaseg.inference.on_device.shrink import DeviceShrinker, can_shrink
from dfaseg.inference.on_device.strip_feed import StripFeed
from dfaseg.slide.slide import Level, Slide
from dfaseg.tiler.decode_pool import DecodePool
from dfaseg.tiler.handover import made_ahead
from dfaseg.tiler.needed import needed_native_tiles
from dfaseg.tiler.plan import ReadPlan
from dfaseg.tiler.stream import BATCHES_AHEAD, PatchBatch
from dfaseg.tiler.strips import WHITE
from dfaseg.tiler.unreadable import Reasons, UnreadableTiles


def can_cut(plan: ReadPlan) -> bool:
    """Tell whether a device can make the patches of a plan to the bit."""
    return can_shrink(plan.decoded_scale_x, plan.decoded_scale_y)


class _Ready(NamedTuple):
    """A batch and the event after which it may be used."""

    batch: PatchBatch[Tensor]
    event: torch.cuda.Event | None


class DevicePatchStream:
    """Reads the selected tiles of a slide in grid order, each native tile once.

    Batches are always full, so that the network sees one shape only: the last one is filled up
    with white patches that belong to no tile.

    Args:
        slide: Open slide; stays open.
        plan: Level and scale to read at; ``can_cut`` says whether that can be done.
        grid: Tiles over the plan's mask frame.
        selected: Tiles to read, shape ``(grid.num_rows, grid.num_cols)``.
        device: Where patches are cut.
        batch_size: Patches per batch; a batch may span several rows of tiles.
        num_workers: Threads that decode.
        first_row: Row of tiles to begin with.
        unreadable: Native tiles that an earlier part of the run could not decode.
        pool: Processes that decode in place of the threads, where the slide allows it.
    """

    def __init__(  # noqa: PLR0913  # as PatchStream, and a device
        self,
        slide: Slide,
        plan: ReadPlan,
        grid: TileGrid,
        selected: NDArray[np.bool_],
        device: torch.device,
        *,
        batch_size: int,
        num_workers: int,
        first_row: int = 0,
        unreadable: Reasons = MappingProxyType({}),
        pool: DecodePool | None = None,
    ) -> None:
        self._pool = pool
        self._slide = slide
        self._plan = plan
        self._grid = grid
        self._selected = selected.copy()
        self._selected[:first_row] = False
        self._batch_size = batch_size
        self._num_workers = num_workers
        self._lane = Lane(device)
        self._shrink = DeviceShrinker(plan.decoded_scale_x, plan.decoded_scale_y, device)
        self._unreadable = UnreadableTiles(plan, slide.info.levels[plan.level], unreadable)

    @property
    def unreadable(self) -> dict[tuple[int, int], str]:
        """Reason for each native tile ``(column, row)`` that could not be decoded so far."""
        return self._unreadable.reasons

    def unreadable_below(self, y: int) -> tuple[Rect, ...]:
        """Return the mask pixels of unreadable tiles that reach below a row, which only grows."""
        return self._unreadable.below(y)

    def __iter__(self) -> Iterator[PatchBatch[Tensor]]:
        """Yield the batches in grid order, ready for the thread's current stream.

        Raises:
            SlideError: The slide failed in a way that is not bound to single tiles.
        """
        with closing(made_ahead(self._make, BATCHES_AHEAD, name="patch-stream")) as batches:
            for batch, event in batches:
                self._lane.give(batch.pixels, event)
                yield batch

    def _make(self) -> Generator[_Ready, None, None]:
        with (
            ThreadPoolExecutor(self._num_workers, thread_name_prefix="decode") as executor,
            torch.inference_mode(),
            self._lane.entered(),
        ):
            for batch in self._batches(executor):
                yield _Ready(batch, self._lane.mark())

    def _batches(self, executor: ThreadPoolExecutor) -> Iterator[PatchBatch[Tensor]]:
        """Group the patches of consecutive tiles."""
        pixels, tiles = self._white_batch(), list[Tile]()
        for row, patches in self._patches_by_row(executor):
            cols = np.flatnonzero(self._selected[row]).tolist()
            start = 0
            while start < len(cols):
                count = min(self._batch_size - len(tiles), len(cols) - start)
                pixels[len(tiles) : len(tiles) + count] = patches[start : start + count]
                tiles += [self._grid.tile(row, col) for col in cols[start : start + count]]
                start += count
                if len(tiles) == self._batch_size:
                    yield PatchBatch(tuple(tiles), pixels)
                    pixels, tiles = self._white_batch(), []
        if tiles:
            yield PatchBatch(tuple(tiles), pixels)

    def _white_batch(self) -> Tensor:
        side = self._grid.patch_px
        shape = (self._batch_size, side, side, 3)
        return torch.full(shape, WHITE, dtype=torch.uint8, device=self._lane.device)

    def _patches_by_row(self, executor: ThreadPoolExecutor) -> Iterator[tuple[int, Tensor]]:
        """Yield each row of tiles that has any selected, and their patches."""
        rows_left = np.flatnonzero(self._selected.any(axis=1)).tolist()
        if not rows_left:
            return
        band = RowBand(self._plan, self._grid, self._selected, self._shrink, self._lane.device)
        level = self._slide.info.levels[self._plan.level]
        tile_height = level.tile_height // self._plan.reduction
        first_strip = band.begin_at(rows_left[0] * self._grid.stride_px, tile_height)
        for strip in self._feed(level, band.source_width, executor).strips(first_strip):
            self._unreadable.note(strip.failures)
            band.append(strip)
            while rows_left and band.has_tile_row(rows_left[0]):
                row = rows_left.pop(0)
                yield row, band.patches(row)
            if not rows_left:
                return
            band.forget_before(rows_left[0] * self._grid.stride_px)

    def _feed(self, level: Level, width: int, executor: ThreadPoolExecutor) -> StripFeed:
        needed = needed_native_tiles(level, self._plan, self._grid, self._selected)
        return StripFeed(self._slide, self._plan, needed, width, self._lane, executor, self._pool)
