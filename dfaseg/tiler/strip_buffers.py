"""Memory for the strips of a slide that are in flight, and the arithmetic of their rows."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dfaseg.mapped_memory import mapped_array
from dfaseg.slide.slide import Level
from dfaseg.tiler.plan import ReadPlan

WHITE = 255
"""Value of pixels outside the slide, of sparse tiles and of those that cannot be decoded."""
BLOCK_PX = 1024
"""Most columns of a resampling block, up to a period: enough work to be worth a thread's turn."""
MOST_AHEAD = 2
"""Strips that are decoded ahead, where they are small."""
SMALL_STRIP_BYTES = 32 * 2**20
"""Strips up to this size are decoded two ahead, larger ones one ahead: enough to keep all threads
busy at a strip's end, without holding more of a wide slide than that takes."""


class StripBuffers:
    """Full-width decoded pixels of the strips in flight, and the arithmetic of their rows.

    Rows are grouped in periods of as many as the numerator of the scale, each of which gives as
    many result rows as its denominator. Strip ``t`` completes the periods that end within it;
    the rows after the last one are carried over.

    Args:
        plan: Level and scale to read at.
        level: The level, as its tiles are decoded.
        most_ahead: Most strips to decode ahead, where memory is short.

    Attributes:
        strips_ahead: Strips that may be decoded beyond the one at hand.
        is_unscaled: Whether decoded pixels are the result. Each strip then has memory of its own,
            which may be kept as long as it is wanted; otherwise it is used again.
    """

    def __init__(self, plan: ReadPlan, level: Level, most_ahead: int = MOST_AHEAD) -> None:
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
        usual = MOST_AHEAD if rows * self._source_width * 3 <= SMALL_STRIP_BYTES else 1
        self.strips_ahead = min(usual, most_ahead)
        num_buffers = self.strips_ahead + 1  # one for the strip at hand
        self.is_unscaled = self._scale_x == self._scale_y == 1
        self._shape = (rows, self._source_width, 3)
        self._source = [self._buffer() for _ in range(num_buffers)]

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

    def fresh_rows(self, strip: int) -> NDArray[np.uint8]:
        """Return the rows into which a strip is decoded; what they hold means nothing yet."""
        slot = strip % len(self._source)
        height = self._strip_height(strip)
        if self.is_unscaled:
            self._source[slot] = self._buffer()
        rows = self._source[slot][self._head : self._head + height]
        if height < self._level.tile_height:
            self._source[slot][self._head + height :] = WHITE
        return rows

    def carry_over(self, strip: int) -> None:
        """Copy the rows that a strip leaves over in front of the next one's, then it is free."""
        if strip == self._level.num_tile_rows - 1:
            return
        count = self._num_carried(strip + 1)
        end = self._head + self._strip_height(strip)
        buffer = self._source[strip % len(self._source)]
        following = self._source[(strip + 1) % len(self._source)]
        following[self._head - count : self._head] = buffer[end - count : end]

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
        return mapped_array((rows, self._result_width, 3), np.uint8)

    def blocks(self, needed_cols: NDArray[np.bool_]) -> Iterator[tuple[slice, slice]]:
        """Yield the blocks of columns that needed tiles touch: source and result columns."""
        numerator, denominator = self._scale_x.numerator, self._scale_x.denominator
        periods_per_block = -(-BLOCK_PX // numerator)
        borders = np.flatnonzero(np.diff(needed_cols, prepend=False, append=False))
        end = 0
        for left, right in (borders.reshape(-1, 2) * self._level.tile_width).tolist():
            # Runs of tiles that lie close to each other may touch the same period.
            begin = max(end, left // numerator)
            end = min(-(-right // numerator), self._source_width // numerator)
            for first in range(begin, end, periods_per_block):
                last = min(first + periods_per_block, end)
                yield (
                    slice(first * numerator, last * numerator),
                    slice(first * denominator, last * denominator),
                )

    def _buffer(self) -> NDArray[np.uint8]:
        """Return memory for a strip; what fills the slide's last periods is never decoded into."""
        buffer = mapped_array(self._shape, np.uint8)
        buffer[:, self._level.width :] = WHITE
        buffer[self._head + self._level.tile_height :] = WHITE
        return buffer

    def _periods_before(self, strip: int) -> int:
        """Whole periods that end above a strip."""
        return strip * self._level.tile_height // self._period

    def _num_carried(self, strip: int) -> int:
        """Level rows above a strip that belong to a period not finished there."""
        return strip * self._level.tile_height - self._periods_before(strip) * self._period

    def _strip_height(self, strip: int) -> int:
        """Level rows of a strip; fewer than a tile's in the last one."""
        return min(self._level.tile_height, self._level.height - strip * self._level.tile_height)
