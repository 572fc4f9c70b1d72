"""Native tiles decoded by threads and laid out on a device, one row of them at a time."""

import math
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dfaseg.inference.on_device.lane import Lane, PinnedSlots
from dfaseg.inference.on_device.tile_memory import TileDecoder, tile_memory
from dfaseg.slide.slide import Level, Slide
from dfaseg.tiler.decode_pool import DecodePool
from dfaseg.tiler.plan import ReadPlan
from dfaseg.tiler.strips import WHITE
from dfaseg.tiler.tile_jobs import Failures

_TILES_PER_JOB = 8
"""Native tiles that a thread decodes at a turn."""
_GROUP_BYTES = 64 * 2**20
"""Most pixels that are copied together: each copy costs Python's lock, which all threads share."""
_BYTES_AHEAD = 128 * 2**20
"""Pixels that may be under way: enough to keep all threads busy while some are copied."""
_MIN_GROUPS, _MAX_GROUPS = 3, 64
"""Groups under way: one is decoded, one waits for its copy, one is being copied."""
MOST_PINNED_BYTES = max(_BYTES_AHEAD + _GROUP_BYTES, _MIN_GROUPS * _GROUP_BYTES)
"""Pinned memory of the host that all this takes."""


@dataclass(frozen=True, slots=True)
class DeviceStrip:
    """A row of native tiles as it lies on the device.

    Attributes:
        pixels: RGB, uint8 ``(rows, width, 3)``, white where no tile was asked for.
        failures: Tiles ``(column, row)`` that could not be decoded, and why; they are white.
        is_last: Whether no strip follows.
    """

    pixels: Tensor
    failures: Failures
    is_last: bool


@dataclass(frozen=True, slots=True)
class _Group:
    """Tiles of one strip that share a piece of pinned memory and are copied together."""

    strip: int
    slot: int
    places: slice
    """Which of all needed tiles, in reading order."""
    jobs: list[Future[Failures]]


class StripFeed:
    """Decodes the needed tiles of a slide and brings them to a device.

    Args:
        slide: Open slide; stays open.
        plan: Level and scale to read at.
        needed: Native tiles to decode, shape ``(tile rows, tile columns)`` of the plan's level.
        width: Columns of pixels of the strips; what lies beyond the tiles is white.
        lane: Where strips are put together.
        executor: Threads that decode, or wait for the processes that do.
        pool: Processes that decode.
    """

    def __init__(
        self,
        slide: Slide,
        plan: ReadPlan,
        needed: NDArray[np.bool_],
        width: int,
        lane: Lane,
        executor: Executor,
        pool: DecodePool | None,
    ) -> None:
        self._level: Level = slide.info.levels[plan.level].reduced(plan.reduction)
        self._slide = slide
        self._plan = plan
        self._pool = pool
        self._needed = needed
        self._lane = lane
        self._executor = executor
        self._width = max(width, self._level.num_tile_cols * self._level.tile_width)
        tile = (self._level.tile_height, self._level.tile_width, 3)
        most = int(needed.sum(axis=1).max(initial=1))
        self._group_size = max(1, min(most, _GROUP_BYTES // math.prod(tile)))
        count = -(-_BYTES_AHEAD // (self._group_size * math.prod(tile)))
        self._shape = (min(max(count, _MIN_GROUPS), _MAX_GROUPS), self._group_size, *tile)

    def strips(self, first: int) -> Iterator[DeviceStrip]:
        """Yield the strips from ``first`` on, in order, each as soon as its tiles are there."""
        device = self._lane.device
        with tile_memory(self._slide, self._plan, self._shape, device, self._pool) as (
            memory,
            decoder,
        ):
            slots = PinnedSlots(memory, self._lane)
            yield from self._laid_out(first, slots, decoder)

    def _laid_out(
        self, first: int, slots: PinnedSlots, decoder: TileDecoder
    ) -> Iterator[DeviceStrip]:
        rows, cols = self._needed[first:].nonzero()
        # One copy for all: small ones from ordinary memory would make the device wait.
        columns = torch.from_numpy(cols).to(self._lane.device)
        groups = self._begun(self._groups(rows + first), cols, slots, decoder)
        pending: deque[_Group] = deque()
        try:
            for strip in range(first, self._level.num_tile_rows):
                failures: Failures = {}
                pixels = self._white()
                pending.extend(islice(groups, len(slots) - len(pending)))
                while pending and pending[0].strip == strip:
                    group = pending[0]
                    for job in group.jobs:
                        failures |= job.result()
                    self._lay(group, columns, slots, pixels)
                    pending.popleft()
                    pending.extend(islice(groups, len(slots) - len(pending)))
                height = self._height(strip)
                is_last = strip == self._level.num_tile_rows - 1
                yield DeviceStrip(pixels[:height], failures, is_last)
        finally:
            # Abandoned or failed: nothing may write to slots, or ask for them, once they are gone.
            wait([job for group in pending for job in group.jobs])

    def _groups(self, rows: NDArray[np.int64]) -> Iterator[tuple[int, slice]]:
        """Yield the strip and the places of tiles that are copied together."""
        edges = np.flatnonzero(np.diff(rows, prepend=-1, append=-1))
        for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            for place in range(start, stop, self._group_size):
                yield int(rows[start]), slice(place, min(place + self._group_size, stop))

    def _begun(
        self,
        groups: Iterator[tuple[int, slice]],
        cols: NDArray[np.int64],
        slots: PinnedSlots,
        decoder: TileDecoder,
    ) -> Iterator[_Group]:
        """Begin to decode each group that is asked for."""
        for strip, places in groups:
            slot, wanted = slots.take(), cols[places].tolist()
            jobs = [
                self._executor.submit(
                    decoder.decode, slot, first, wanted[first : first + _TILES_PER_JOB], strip
                )
                for first in range(0, len(wanted), _TILES_PER_JOB)
            ]
            yield _Group(strip, slot, places, jobs)

    def _height(self, strip: int) -> int:
        """Rows of a strip; fewer than a tile's in the last one."""
        return min(self._level.tile_height, self._level.height - strip * self._level.tile_height)

    def _white(self) -> Tensor:
        shape = (self._level.tile_height, self._width, 3)
        return torch.full(shape, WHITE, dtype=torch.uint8, device=self._lane.device)

    def _lay(self, group: _Group, columns: Tensor, slots: PinnedSlots, pixels: Tensor) -> None:
        """Put the tiles of a group into their strip."""
        level = self._level
        width = level.num_tile_cols * level.tile_width
        tiles = slots.copy(group.slot, group.places.stop - group.places.start)
        by_col = pixels[:, :width].view(level.tile_height, level.num_tile_cols, level.tile_width, 3)
        by_col.index_copy_(1, columns[group.places], tiles.transpose(0, 1))
