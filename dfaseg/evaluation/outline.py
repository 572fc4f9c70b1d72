"""Outlines of all classes, gathered from rows of a mask as they come."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.errors import ConfigError
from dfaseg.evaluation.records import FloatArray

Quads = NDArray[np.uint8]


def corner_lengths(aspect: float = 1.0) -> FloatArray:
    """Return the length of the outline within one pixel around a corner, in widths of a pixel.

    There is one for each way in which the corner's four pixels can be inside, ``(16,)``: bits 0 to
    3 are the pixels upper left, upper right, lower left, lower right. The outline runs half way
    between pixel centres, as in Nikolov et al. 2018: across the corner (half a diagonal) where one
    or three pixels are inside, straight where two neighbours are, twice across where two opposite
    are.

    Args:
        aspect: Height of a pixel in widths.
    """
    lengths, diagonal = np.zeros(16), math.sqrt(1 + aspect**2)
    lengths[[1, 2, 4, 8, 7, 11, 13, 14]] = diagonal / 2
    lengths[[3, 12]] = 1.0  # one above the other: along the row
    lengths[[5, 10]] = aspect
    lengths[[6, 9]] = diagonal
    return lengths


@dataclass(frozen=True, slots=True)
class Outline:
    """The outline of one class in one mask, as the corners between pixels on which it lies.

    Attributes:
        points: Corners (row, column), int32 ``(n, 2)``.
        lengths: Length of the outline at each, ``(n,)``, in widths of a pixel.
        meets_ignored: Whether the class lies beside ignored pixels, under which it may end.
    """

    points: NDArray[np.int32]
    lengths: FloatArray
    meets_ignored: bool = False

    @property
    def length(self) -> float:
        """Length of the whole outline, in widths of a pixel."""
        return float(self.lengths.sum())

    @property
    def is_hidden(self) -> bool:
        """Whether the class is there, and its outline nowhere known."""
        return self.meets_ignored and not len(self.points)


@dataclass(slots=True)
class OutlineTracer:
    """Finds the corners between pixels of different classes, in rows that follow each other.

    An outline is where a class ends within the picture: neither the border of the picture nor that
    of ignored pixels is one, because what lies beyond is not known.

    Attributes:
        num_points: Corners kept so far; each takes 12 bytes.
    """

    num_points: int = 0
    _next_row: int = 0
    _last: NDArray[np.uint8] | None = None
    _points: list[NDArray[np.int32]] = field(default_factory=list)
    _quads: list[Quads] = field(default_factory=list)
    _beside_ignored: set[int] = field(default_factory=set)

    def add(self, rows: NDArray[np.uint8]) -> None:
        """Take the next rows, ``(rows, width)``, 255 = ignored.

        Raises:
            ConfigError: They are not as wide as those before.
        """
        if self._last is not None:
            if rows.shape[1] != self._last.shape[1]:
                raise ConfigError(
                    f"rows of {rows.shape[1]} px: those before were wider or narrower"
                )
            rows = np.concatenate([self._last, rows])
        first = self._next_row - (self._last is not None)
        points, quads = _mixed_corners(rows)
        known = (quads != IGNORE_INDEX).all(axis=1)
        self._beside_ignored.update(np.unique(quads[~known]).tolist())
        points, quads = points[known], quads[known]
        self._points.append(points + np.array([first, 0], np.int32))
        self._quads.append(quads)
        self.num_points += len(points)
        self._next_row = first + len(rows)
        self._last = rows[-1:].copy()

    def outlines(self, num_classes: int, aspect: float = 1.0) -> list[Outline]:
        """Return the outline of each class; empty where it has none.

        Args:
            num_classes: How many there are.
            aspect: Height of a pixel in widths.
        """
        if not self._points:
            return [_NO_OUTLINE] * num_classes
        points, quads = np.concatenate(self._points), np.concatenate(self._quads)
        table, outlines = corner_lengths(aspect), []
        for index in range(num_classes):
            lengths = table[(quads == index) @ np.array([1, 2, 4, 8], np.uint8)]
            on_outline = lengths > 0
            meets_ignored = index in self._beside_ignored
            outlines.append(Outline(points[on_outline], lengths[on_outline], meets_ignored))
        return outlines


_CORNER_PIXELS = ((0, 0), (0, 1), (1, 0), (1, 1))
_NO_OUTLINE = Outline(np.zeros((0, 2), np.int32), np.zeros(0))


def _mixed_corners(rows: NDArray[np.uint8]) -> tuple[NDArray[np.int32], Quads]:
    """Return the corners (row, column) whose four pixels are not all equal, and those pixels."""
    upper, lower = rows[:-1], rows[1:]
    mixed = upper[:, 1:] != upper[:, :-1]
    mixed |= lower[:, 1:] != lower[:, :-1]
    mixed |= upper[:, 1:] != lower[:, 1:]
    # Several times as fast as NumPy's search in two dimensions: few corners are mixed.
    row, col = np.divmod(np.flatnonzero(mixed), mixed.shape[1])
    quads = np.stack([rows[row + down, col + right] for down, right in _CORNER_PIXELS], axis=1)
    return np.stack([row, col], axis=1).astype(np.int32), quads
