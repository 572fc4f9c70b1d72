"""A slide as consecutive strips of rows at the wanted resolution, each native tile decoded once.

The slide is read one row of native tiles at a time. Its tiles are decoded in parallel, each of them
averaged by the thread that has just decoded it, so that a strip is held as mask rows alone and the
pixels of the slide never leave the core's cache. Mask pixels that an edge of a tile cuts are exact
sums of what the tiles hold of them; the result never depends on how many threads share the work or
where a run began.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from functools import partial
from threading import Lock, local

import numpy as np
from numpy.typing import NDArray

from dfaseg.errors import ReadError
from dfaseg.native.average import CutRow, StripMean
from dfaseg.slide.slide import MemorySlide, ReducingSlide, Slide
from dfaseg.tiler.plan import ReadPlan
from dfaseg.tiler.strips import MOST_AHEAD, WHITE, native_axes, strips_ahead

TileReader = Callable[[int, int], NDArray[np.uint8] | None]
"""From column and row of a native tile to its pixels, ``None`` for a tile that is not stored."""


@dataclass(frozen=True, slots=True)
class RowStrip:
    """Consecutive full-width rows of the mask frame.

    Attributes:
        y: First row, in mask px.
        pixels: RGB, shape ``(rows, plan.width, 3)``.
    """

    y: int
    pixels: NDArray[np.uint8]


def tile_reader(slide: Slide, plan: ReadPlan) -> TileReader:
    """Return the function that decodes native tiles as a plan asks for."""
    if plan.reduction == 1:
        return partial(slide.read_tile, plan.level)
    assert isinstance(slide, ReducingSlide)  # no other offers reductions to plan with
    return partial(slide.read_reduced_tile, plan.level, reduction=plan.reduction)


def passing_tile_reader(slide: Slide, plan: ReadPlan) -> TileReader:
    """Return the same, but what it returns lasts only until the same thread's next call.

    Pixels that are at once copied to where they belong need no memory of their own, which would
    push what the thread works on out of the core's cache.
    """
    if not isinstance(slide, MemorySlide):
        return tile_reader(slide, plan)
    level = slide.info.levels[plan.level].reduced(plan.reduction)
    read, own = slide.read_tile_into, local()

    def read_tile(col: int, row: int) -> NDArray[np.uint8] | None:
        try:
            memory = own.memory
        except AttributeError:
            memory = own.memory = np.empty((level.tile_height, level.tile_width, 3), np.uint8)
        return read(memory, plan.level, col, row, plan.reduction)

    return read_tile


class RowReader:
    """Reads a slide strip by strip; remembers the tiles that could not be decoded.

    Args:
        slide: Open slide; stays open.
        plan: Level and scale to read at.
        executor: Threads that decode and resample.
        needed: Native tiles to decode, shape ``(tile rows, tile columns)`` of the plan's level;
            what the rows hold in place of all others means nothing. ``None`` means all.
        num_workers: Threads of the executor.
        most_ahead: Most strips of native tiles to decode ahead.
    """

    def __init__(
        self,
        slide: Slide,
        plan: ReadPlan,
        executor: Executor,
        needed: NDArray[np.bool_] | None = None,
        *,
        num_workers: int,
        most_ahead: int = MOST_AHEAD,
    ) -> None:
        self._plan = plan
        self._most_ahead = most_ahead
        self._executor = executor
        self._num_workers = num_workers
        self._level = slide.info.levels[plan.level].reduced(plan.reduction)
        self._across, self._down = native_axes(plan, self._level)
        self._read_tile = passing_tile_reader(slide, plan)
        if needed is None:
            needed = np.ones((self._level.num_tile_rows, self._level.num_tile_cols), bool)
        self._needed = needed
        self._lock = Lock()
        self._unreadable: dict[tuple[int, int], str] = {}

    def take_unreadable(self) -> dict[tuple[int, int], str]:
        """Return the native tiles ``(column, row)`` that failed since the last call, and why."""
        with self._lock:
            taken, self._unreadable = self._unreadable, {}
        return taken

    def strips(self, first_row: int = 0) -> Iterator[RowStrip]:
        """Yield the rows of the mask frame in order, beginning at or before ``first_row``.

        A failing tile stays white and can be taken before its strip is yielded.
        """
        across, down = self._across, self._down
        first_strip = down.tile_completing(first_row)
        warm_up = down.tile_at(down.completed(first_strip).start)
        num_ahead = strips_ahead(across, down, self._most_ahead)
        idle = deque(StripMean(across, down) for _ in range(num_ahead + 1))
        cut = CutRow(across)
        pending: deque[tuple[StripMean, list[Future[None]]]] = deque()
        strip_indices = iter(range(warm_up, self._level.num_tile_rows))
        try:
            while True:
                while idle and (strip := next(strip_indices, None)) is not None:
                    idle[0].begin(strip)
                    pending.append((idle[0], self._submit_decoding(strip, idle.popleft())))
                if not pending:
                    return
                mean, decoding = pending[0]
                _finish(decoding)
                y, rows = mean.join(cut)
                idle.append(pending.popleft()[0])
                if len(rows) and y + len(rows) > first_row:
                    yield RowStrip(y, rows)
        finally:
            # Abandoned in the middle: nothing may be written to what is gone.
            for _, decoding in pending:
                _abandon(decoding)

    def _submit_decoding(self, strip: int, mean: StripMean) -> list[Future[None]]:
        """Start decoding and averaging the needed tiles of one row of native tiles.

        Each thread takes the next one when it is done with its last. Handing over one job per
        thread, and not one per tile, saves several times what Python does for a tile by itself.
        """
        columns = np.flatnonzero(self._needed[strip]).tolist()
        left = iter(columns)

        def work_on() -> None:
            for col in left:
                self._add_tile(mean, col, strip)

        num_jobs = min(self._num_workers, len(columns))
        return [self._executor.submit(work_on) for _ in range(num_jobs)]

    def _add_tile(self, mean: StripMean, col: int, strip: int) -> None:
        """Decode one native tile and average it."""
        try:
            tile = self._read_tile(col, strip)
        except ReadError as error:
            with self._lock:
                self._unreadable[col, strip] = error.problem
            tile = None
        shape = mean.shape_of(col)
        if tile is None:
            tile = np.broadcast_to(np.full((1, shape[1], 3), WHITE, np.uint8), shape)
        elif tile.shape != shape:
            # The mask's last pixels overhang the last tiles.
            beyond = [(0, wanted - given) for wanted, given in zip(shape, tile.shape, strict=True)]
            tile = np.pad(tile, beyond, constant_values=WHITE)
        mean.add(col, tile)


def _finish(futures: list[Future[None]]) -> None:
    """Wait for all, then raise the first failure."""
    wait(futures)
    for future in futures:
        future.result()


def _abandon(futures: list[Future[None]]) -> None:
    """Cancel what has not begun and wait for the rest."""
    for future in futures:
        future.cancel()
    wait(futures)
