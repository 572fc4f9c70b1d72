"""Mask vertices placed in level-0 pixels and written as text, many at a time."""

import math
from dataclasses import dataclass

import numpy as np

from dfaseg.annotation.ring_blocks import RingBlock
from dfaseg.errors import ConfigError
from dfaseg.native.text import CLOSES, IS_LAST, OPENS, CoordinateTexts, write_vertices

_TEXTS_AT_ONCE = 1 << 12
"""Coordinates made into text ahead of need; more at a time would cost memory on tall slides."""


@dataclass(frozen=True, slots=True)
class MaskFrame:
    """Where mask pixels lie in the frame that polygons are written in.

    A mask vertex ``(x, y)`` is written as ``(x * scale_x - origin_x, y * scale_y - origin_y)``.
    """

    scale_x: float
    """Level-0 px per mask px."""
    scale_y: float
    origin_x: float = 0
    """Level-0 px; the corner that viewers take as (0, 0)."""
    origin_y: float = 0

    def __post_init__(self) -> None:
        if not (0 < self.scale_x < math.inf and 0 < self.scale_y < math.inf):
            raise ConfigError(
                f"mask scale {self.scale_x} × {self.scale_y}: must be positive level-0 px per px"
            )

    @property
    def decimals(self) -> int:
        """Decimals that coordinates are written with.

        None where all are integers; else at least two, and always enough that a coordinate read
        back is within a tenth of a mask pixel, so that rounding gives the vertex exactly.
        """
        numbers = (self.scale_x, self.scale_y, self.origin_x, self.origin_y)
        if all(float(number).is_integer() for number in numbers):
            return 0
        return max(2, 1 + math.ceil(-math.log10(min(self.scale_x, self.scale_y))))

    def texts(self, numbers: range, axis: int) -> list[str]:
        """Return how mask coordinates of an axis (0 is x, 1 is y) are written."""
        scale = (self.scale_x, self.scale_y)[axis]
        origin = (self.origin_x, self.origin_y)[axis]
        # One format for all of them takes a fifth of the time of one each.
        layout = f"%.{self.decimals}f,"
        texts = (layout * len(numbers) % tuple(number * scale - origin for number in numbers))[:-1]
        zero = f"{0:.{self.decimals}f}"
        return [zero if text == f"-{zero}" else text for text in texts.split(",")]


class VertexText:
    """Writes mask vertices as JSON.

    The text of every x and y is made once and looked up for each vertex, which is many times
    faster than formatting numbers.

    Args:
        frame: Where vertices lie.
        tail: What follows y in each vertex, e.g. a third coordinate.
        repeats_first: Whether a ring's first vertex is also written as its last.
    """

    def __init__(self, frame: MaskFrame, *, tail: str = "", repeats_first: bool = True) -> None:
        self._frame = frame
        self._tail = tail
        self._repeats_first = repeats_first
        self._texts = [CoordinateTexts.of([]), CoordinateTexts.of([])]

    def format(self, block: RingBlock) -> bytes:
        """Return the text of rings, each ``[[x,y],[x,y]],``.

        The comma after a ring of ``block.lasts`` is a line feed.

        Args:
            block: Vertices in mask pixels, not negative.
        """
        for axis, numbers in enumerate(block.vertices.T):
            self._grow(axis, int(numbers.max(initial=-1)) + 1)
        marks = np.zeros(len(block.vertices), np.uint8)
        marks[block.opens] = OPENS
        marks[block.closes] |= CLOSES
        marks[block.closes[block.lasts]] |= IS_LAST
        x_texts, y_texts = self._texts
        return write_vertices(
            block.vertices, marks, (x_texts, y_texts), repeats_first=self._repeats_first
        )

    def _grow(self, axis: int, size: int) -> None:
        known = len(self._texts[axis])
        if size <= known:
            return
        numbers = self._frame.texts(range(known, max(size, known + _TEXTS_AT_ONCE)), axis)
        if axis == 1 and self._tail:
            numbers = [number + self._tail for number in numbers]
        self._texts[axis] = self._texts[axis].followed_by(CoordinateTexts.of(numbers))
