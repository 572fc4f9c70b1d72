"""A slide as consecutive strips of rows at the wanted resolution, each native tile decoded once.

The slide is read one row of native tiles at a time. Tiles of a strip are decoded in parallel into
one full-width buffer, which is shrunk in parallel blocks; blocks lie on whole periods of the two
pixel grids, so that the result never depends on how many threads share the work or where a run
began. Rows that do not fill a period yet are carried over to the next strip.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from functools import partial
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from dfaseg.errors import ReadError
from dfaseg.slide.slide import Level, ReducingSlide, Slide
from dfaseg.tiler.plan import ReadPlan
from dfaseg.tiler.resample import resample_block

WHITE = 255
"""Value of pixels outside the slide, of sparse tiles and of tiles nobody asked for."""
BLOCK_PX = 1024
"""Least width of a resampling block in level pixels: enough work to be worth a thread's turn."""
TILES_PER_JOB = 4
"""Native tiles that a thread decodes at a turn: handing a job over costs a tenth of a tile."""
SMALL_STRIP_BYTES = 64 * 2**20
"""Strips up to this size are decoded two ahead, larger ones one ahead: enough to keep all threads
busy at a strip's end, without holding more of a wide slide than that takes."""


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


class RowReader:
    """Reads a slide strip by strip; remembers the tiles that could not be decoded.

    Args:
        slide: Open slide; stays open.
        plan: Level and scale to read at.
        executor: Threads that decode and resample.
        needed: Native tiles to decode, shape ``(tile rows, tile columns)`` of the plan's level;
            all others stay white. ``None`` means all.
    """

    def __init__(
        self,
        slide: Slide,
        plan: ReadPlan,
        executor: Executor,
        needed: NDArray[np.bool_] | None = None,
    ) -> None:
        self._plan = plan
        self._executor = executor
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
        buffers = _StripBuffers(self._plan, self._level)
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
                buffers.carry_over(strip, strip > warm_up)
                if strip >= first_strip:
                    rows = self._resample(strip, buffers)
                    if rows is not None:
                        yield rows
        finally:
            # Abandoned in the middle: nothing may write to the buffers once they are gone.
            for _, decoding in pending:
                _abandon(decoding)

    def _submit_decoding(self, strip: int, buffers: "_StripBuffers") -> list[Future[None]]:
        """Start decoding the needed tiles of one row of native tiles."""
        rows = buffers.fresh_rows(strip, self._needed[strip])
        columns = np.flatnonzero(self._needed[strip]).tolist()
        return [
            self._executor.submit(
                self._decode_all_into, rows, columns[first : first + TILES_PER_JOB], strip
            )
            for first in range(0, len(columns), TILES_PER_JOB)
        ]

    def _decode_all_into(self, rows: NDArray[np.uint8], columns: list[int], strip: int) -> None:
        """Decode some native tiles of a strip."""
        for col in columns:
            self._decode_into(rows, col, strip)

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

    def _resample(self, strip: int, buffers: "_StripBuffers") -> RowStrip | None:
        """Shrink all whole periods of rows that are there now."""
        y, source = buffers.complete_rows(strip)
        if source.shape[0] == 0:
            return None
        plan = self._plan
        out = buffers.result_rows(source.shape[0])
        touched = self._needed[buffers.first_carried_strip(strip) : strip + 1]
        jobs = []
        for is_needed, source_columns, columns in buffers.blocks(np.any(touched, axis=0)):
            if is_needed:
                jobs.append(
                    self._executor.submit(
                        resample_block,
                        source[:, source_columns],
                        plan.decoded_scale_x,
                        plan.decoded_scale_y,
                        out[:, columns],
                    )
                )
            else:
                out[:, columns] = WHITE
        _finish(jobs)
        rows = min(out.shape[0], plan.height - y)
        return RowStrip(y, out[:rows, : plan.width])


class _StripBuffers:
    """Full-width decoded pixels of the strips in flight, and the arithmetic of their rows.

    Rows are grouped in periods of as many as the numerator of the scale, each of which gives as
    many result rows as its denominator. Strip ``t`` completes the periods that end within it;
    the rows after the last one are carried over.
    """

    def __init__(self, plan: ReadPlan, level: Level) -> None:
        self._level = level
        self._scale_x, self._scale_y = plan.decoded_scale_x, plan.decoded_scale_y
        self._period = self._scale_y.numerator
        width_periods = -(-level.width // self._scale_x.numerator)
        self._source_width = width_periods * self._scale_x.numerator
        self._result_width = width_periods * self._scale_x.denominator
        # A strip's buffer begins with room for the rows carried over from the one before, and
        # ends with room for the white rows that fill the slide's last period.
        self._head = self._period - 1
        rows = self._head + level.tile_height + self._period
        self.strips_ahead = 2 if rows * self._source_width * 3 <= SMALL_STRIP_BYTES else 1
        # One buffer for each strip ahead, one for the strip at hand, one whose rows carry over.
        num_buffers = self.strips_ahead + 2
        self._source = np.full((num_buffers, rows, self._source_width, 3), WHITE, np.uint8)
        self._is_white = np.ones((num_buffers, level.num_tile_cols), bool)

    def first_strip(self, first_row: int) -> tuple[int, int]:
        """Return the strip that holds a mask row, and the strip where reading must begin.

        The latter is earlier where the former's first period began in the strips above.
        """
        wanted_period = first_row // self._scale_y.denominator
        strip = 0
        while strip + 1 < self._level.num_tile_rows and self._periods_before(strip + 1) <= (
            wanted_period
        ):
            strip += 1
        return strip, self.first_carried_strip(strip)

    def fresh_rows(self, strip: int, needed_cols: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Return the rows into which a strip is decoded, white where no tile will be."""
        slot = strip % len(self._source)
        height = self._strip_height(strip)
        rows = self._source[slot, self._head : self._head + height]
        for col in np.flatnonzero(~needed_cols & ~self._is_white[slot]):
            rows[:, col * self._level.tile_width : (col + 1) * self._level.tile_width] = WHITE
        self._is_white[slot] = ~needed_cols
        if height < self._level.tile_height:
            self._source[slot, self._head + height :] = WHITE
        return rows

    def carry_over(self, strip: int, has_previous: bool) -> None:
        """Copy the rows that the previous strip left over in front of this strip's."""
        count = self._num_carried(strip)
        if not has_previous or count == 0:
            return
        previous = self._source[(strip - 1) % len(self._source)]
        end = self._head + self._strip_height(strip - 1)
        buffer = self._source[strip % len(self._source)]
        buffer[self._head - count : self._head] = previous[end - count : end]

    def first_carried_strip(self, strip: int) -> int:
        """Return the first strip whose rows take part in the periods that end in a strip."""
        return self._periods_before(strip) * self._period // self._level.tile_height

    def complete_rows(self, strip: int) -> tuple[int, NDArray[np.uint8]]:
        """Return the whole periods that end in a strip and their first mask row."""
        first, last = self._periods_before(strip), self._periods_before(strip + 1)
        if strip == self._level.num_tile_rows - 1:
            last = -(-self._level.height // self._period)
        start = self._head - self._num_carried(strip)
        source = self._source[strip % len(self._source)]
        rows = source[start : start + (last - first) * self._period]
        return first * self._scale_y.denominator, rows

    def result_rows(self, source_rows: int) -> NDArray[np.uint8]:
        """Return room for the result of a number of level rows."""
        rows = source_rows // self._period * self._scale_y.denominator
        return np.empty((rows, self._result_width, 3), np.uint8)

    def blocks(self, needed_cols: NDArray[np.bool_]) -> Iterator[tuple[bool, slice, slice]]:
        """Yield blocks of columns: whether they hold needed tiles, source and result columns."""
        numerator, denominator = self._scale_x.numerator, self._scale_x.denominator
        periods_per_block = -(-BLOCK_PX // numerator)
        num_periods = self._source_width // numerator
        for first in range(0, num_periods, periods_per_block):
            last = min(first + periods_per_block, num_periods)
            start, stop = first * numerator, last * numerator
            tile_cols = slice(start // self._level.tile_width, -(-stop // self._level.tile_width))
            is_needed = bool(needed_cols[tile_cols].any())
            yield is_needed, slice(start, stop), slice(first * denominator, last * denominator)

    def _periods_before(self, strip: int) -> int:
        """Whole periods that end above a strip."""
        return strip * self._level.tile_height // self._period

    def _num_carried(self, strip: int) -> int:
        """Level rows above a strip that belong to a period not finished there."""
        return strip * self._level.tile_height - self._periods_before(strip) * self._period

    def _strip_height(self, strip: int) -> int:
        """Level rows of a strip; fewer than a tile's in the last one."""
        return min(self._level.tile_height, self._level.height - strip * self._level.tile_height)


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
