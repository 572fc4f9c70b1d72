"""Native tiles decoded by threads and laid out on a device, one row of them at a time."""

import math
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dfaseg.errors import ReadError
from dfaseg.inference.on_device.lane import Lane, PinnedSlots
from dfaseg.slide.slide import Level, Slide
from dfaseg.tiler.plan import ReadPlan
from dfaseg.tiler.rows import tile_reader
from dfaseg.tiler.strip_buffers import WHITE

_TILES_PER_JOB = 8
"""Native tiles that a thread decodes at a turn."""
_GROUP_BYTES = 64 * 2**20
"""Most pixels that are copied together: each copy costs Python's lock, which all threads share."""
_BYTES_AHEAD = 128 * 2**20
"""Pixels that may be under way: enough to keep all threads busy while some are copied."""
_MIN_GROUPS, _MAX_GROUPS = 3, 64
"""Groups under way: one is decoded, one waits for its copy, one is being copied."""

Failures = dict[tuple[int, int], str]


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
        executor: Threads that decode.
    """

    def __init__(
        self,
        slide: Slide,
        plan: ReadPlan,
        needed: NDArray[np.bool_],
        width: int,
        lane: Lane,
        executor: Executor,
    ) -> None:
        self._level: Level = slide.info.levels[plan.level].reduced(plan.reduction)
        self._read_tile = tile_reader(slide, plan)
        self._needed = needed
        self._lane = lane
        self._executor = executor
        self._width = max(width, self._level.num_tile_cols * self._level.tile_width)
        tile = (self._level.tile_height, self._level.tile_width, 3)
        most = int(needed.sum(axis=1).max(initial=1))
        self._group_size = max(1, min(most, _GROUP_BYTES // math.prod(tile)))
        count = -(-_BYTES_AHEAD // (self._group_size * math.prod(tile)))
        count = min(max(count, _MIN_GROUPS), _MAX_GROUPS)
        self._slots = PinnedSlots(count, (self._group_size, *tile), lane)

    def strips(self, first: int) -> Iterator[DeviceStrip]:
        """Yield the strips from ``first`` on, in order, each as soon as its tiles are there."""
        rows, cols = self._needed[first:].nonzero()
        rows += first
        # One copy for all: small ones from ordinary memory would make the device wait.
        columns = torch.from_numpy(cols).to(self._lane.device)
        groups = self._groups(rows)
        pending: deque[_Group] = deque()
        try:
            for strip in range(first, self._level.num_tile_rows):
                failures: Failures = {}
                pixels = self._white()
                self._look_ahead(pending, groups, cols)
                while pending and pending[0].strip == strip:
                    group = pending.popleft()
                    for job in group.jobs:
                        failures |= job.result()
                    self._lay(group, columns, pixels)
                    self._look_ahead(pending, groups, cols)
                height = self._height(strip)
                is_last = strip == self._level.num_tile_rows - 1
                yield DeviceStrip(pixels[:height], failures, is_last)
        finally:
            # Abandoned in the middle: nothing may write to the slots once they are gone.
            wait([job for group in pending for job in group.jobs])

    def _groups(self, rows: NDArray[np.int64]) -> Iterator[tuple[int, slice]]:
        """Yield the strip and the places of tiles that are copied together."""
        edges = np.flatnonzero(np.diff(rows, prepend=-1, append=-1))
        for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            for place in range(start, stop, self._group_size):
                yield int(rows[start]), slice(place, min(place + self._group_size, stop))

    def _look_ahead(
        self,
        pending: deque[_Group],
        groups: Iterator[tuple[int, slice]],
        cols: NDArray[np.int64],
    ) -> None:
        """Keep as many groups under way as there are slots."""
        while len(pending) < len(self._slots):
            following = next(groups, None)
            if following is None:
                return
            strip, places = following
            slot = self._slots.take()
            jobs = self._submit(self._slots.memory(slot).numpy(), cols[places].tolist(), strip)
            pending.append(_Group(strip, slot, places, jobs))

    def _submit(
        self, memory: NDArray[np.uint8], cols: list[int], strip: int
    ) -> list[Future[Failures]]:
        """Begin to decode the tiles of a group."""
        return [
            self._executor.submit(
                self._decode, memory[first:], cols[first : first + _TILES_PER_JOB], strip
            )
            for first in range(0, len(cols), _TILES_PER_JOB)
        ]

    def _decode(self, memory: NDArray[np.uint8], cols: list[int], strip: int) -> Failures:
        """Decode tiles into pinned memory; return those that failed."""
        failures: Failures = {}
        for place, col in zip(memory, cols, strict=False):
            try:
                tile = self._read_tile(col, strip)
            except ReadError as error:
                failures[col, strip] = error.problem
                tile = None
            place[...] = WHITE if tile is None else tile
        return failures

    def _height(self, strip: int) -> int:
        """Rows of a strip; fewer than a tile's in the last one."""
        return min(self._level.tile_height, self._level.height - strip * self._level.tile_height)

    def _white(self) -> Tensor:
        shape = (self._level.tile_height, self._width, 3)
        return torch.full(shape, WHITE, dtype=torch.uint8, device=self._lane.device)

    def _lay(self, group: _Group, columns: Tensor, pixels: Tensor) -> None:
        """Put the tiles of a group into their strip."""
        level = self._level
        width = level.num_tile_cols * level.tile_width
        tiles = self._slots.copy(group.slot, group.places.stop - group.places.start)
        by_col = pixels[:, :width].view(level.tile_height, level.num_tile_cols, level.tile_width, 3)
        by_col.index_copy_(1, columns[group.places], tiles.transpose(0, 1))
