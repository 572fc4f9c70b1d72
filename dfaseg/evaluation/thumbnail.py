"""A slide's truth and prediction at the size of a picture, sampled while their rows go by."""

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfaseg.evaluation.align import Frame
from dfaseg.evaluation.stream import Labels

LONGEST_PX = 640
"""Longer side of a thumbnail: what a report shows."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A label and a mask of some hundred pixels a side, packed: a data set has many.

    Attributes:
        shape: ``(h, w)`` of both.
        packed: Class indices of both, deflated.
    """

    shape: tuple[int, int]
    packed: bytes

    def unpack(self) -> tuple[Labels, Labels]:
        """Return label and mask, uint8 ``(h, w)`` each, 255 where there is no class."""
        label, mask = np.frombuffer(zlib.decompress(self.packed), np.uint8).reshape(2, *self.shape)
        return label, mask


class ThumbnailMeter:
    """Keeps the pixels at the centres of a coarse grid; see ``RowMeter``.

    One pixel stands for all around it: a class index has no mean, and what is seen is what was
    counted there.
    """

    def __init__(self, frame: Frame, longest_px: int = LONGEST_PX) -> None:
        shrink = min(1.0, longest_px / max(frame.width, frame.height))
        self._rows = _places(frame.height, shrink)
        self._cols = _places(frame.width, shrink)
        self._kept = np.empty((2, self._rows.size, self._cols.size), np.uint8)
        self._num_seen = 0

    def add(self, label: Labels, mask: Labels) -> None:
        """Take the next rows."""
        end = self._num_seen + len(label)
        first, last = np.searchsorted(self._rows, [self._num_seen, end])
        if last > first:
            rows = self._rows[first:last] - self._num_seen
            for kept, given in zip(self._kept, (label, mask), strict=True):
                kept[first:last] = given[rows][:, self._cols]
        self._num_seen = end

    def finish(self) -> Thumbnail:
        """Return what was kept, after the last row."""
        shape = (self._rows.size, self._cols.size)
        return Thumbnail(shape, zlib.compress(self._kept.tobytes(), level=1))


def _places(length: int, shrink: float) -> NDArray[np.int64]:
    number = max(1, round(length * shrink))
    return ((np.arange(number) + 0.5) * length / number).astype(np.int64)
