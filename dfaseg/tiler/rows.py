"""A slide as consecutive strips of rows at the wanted resolution, each native tile decoded once.

The slide is read one row of native tiles at a time. Tiles of a strip are decoded in parallel into
one full-width buffer, which is shrunk in parallel blocks; blocks lie on whole periods of the two
pixel grids, so that the result never depends on how many threads share the work or where a run
began. Rows that do not fill a period yet are carried over to the next strip.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from functools import partial
from threading import Lock, local
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from dfaseg.errors import ReadError
from dfaseg.native.average import average
from dfaseg.slide.slide import MemorySlide, ReducingSlide, Slide
from dfaseg.tiler.plan import ReadPlan
from dfaseg.tiler.strip_buffers import MOST_AHEAD, WHITE, StripBuffers

Item = TypeVar("Item")
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
        self._read_tile = tile_reader(slide, plan)
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
        buffers = StripBuffers(self._plan, self._level, self._most_ahead)
        first_strip, warm_up = buffers.first_strip(first_row)
        pending: deque[tuple[int, list[Future[None]]]] = deque()
        strip_indices = iter(range(warm_up, self._level.num_tile_rows))
        try:
            while True:
                while len(pending) <= buffers.strips_ahead:
                    strip = next(strip_indices, None)
                    if strip is None:
                        break
                    pending.append((strip, self._submit_decoding(strip, buffers)))
                if not pending:
                    return
                strip, decoding = pending.popleft()
                _finish(decoding)
                rows = self._shrunk(strip, buffers) if strip >= first_strip else None
                buffers.carry_over(strip)
                if rows is not None:
                    yield rows
        finally:
            # Abandoned in the middle: nothing may write to the buffers once they are gone.
            for _, decoding in pending:
                _abandon(decoding)

    def _submit_decoding(self, strip: int, buffers: StripBuffers) -> list[Future[None]]:
        """Start decoding the needed tiles of one row of native tiles."""
        rows = buffers.fresh_rows(strip)
        columns = np.flatnonzero(self._needed[strip]).tolist()
        return self._share_out(lambda col: self._decode_into(rows, col, strip), columns)

    def _share_out(self, work: Callable[[Item], None], items: Sequence[Item]) -> list[Future[None]]:
        """Start working on all items; each thread takes the next one when it is done with its last.

        Handing over one job per thread, and not one per item, saves several times what Python does
        for a tile by itself.
        """
        left = iter(items)

        def work_on() -> None:
            for item in left:
                work(item)

        return [self._executor.submit(work_on) for _ in range(min(self._num_workers, len(items)))]

    def _decode_into(self, rows: NDArray[np.uint8], col: int, strip: int) -> None:
        """Decode one native tile into its place in the strip."""
        x = col * self._level.tile_width
        width = min(self._level.tile_width, self._level.width - x)
        place = rows[:, x : x + width]
        try:
            tile = self._read_tile(col, strip)
        except ReadError as error:
            with self._lock:
                self._unreadable[col, strip] = error.problem
            tile = None
        place[...] = WHITE if tile is None else tile[: place.shape[0], :width]

    def _shrunk(self, strip: int, buffers: StripBuffers) -> RowStrip | None:
        """Shrink all whole periods of rows that are there now."""
        plan = self._plan
        y, source = buffers.complete_rows(strip)
        if source.shape[0] == 0:
            return None
        if buffers.is_unscaled:
            return RowStrip(y, source[:, : plan.width])
        out = buffers.result_rows(source.shape[0])
        touched = self._needed[buffers.first_carried_strip(strip) : strip + 1]
        blocks = list(buffers.blocks(np.any(touched, axis=0)))
        scales = plan.decoded_scale_x, plan.decoded_scale_y
        _finish(
            self._share_out(
                lambda block: average(source[:, block[0]], out[:, block[1]], *scales), blocks
            )
        )
        rows = min(out.shape[0], plan.height - y)
        return RowStrip(y, out[:rows, : plan.width])


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
