"""Which columns of some mask rows hold analysed pixels: all else is glass and costs no work."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dfaseg.classmap import IGNORE_INDEX

_LEAST_GAP_PX = 64
"""Narrower gaps are kept: a piece costs a little, however wide it is."""


def analysed_pieces(*rows: NDArray[np.uint8]) -> Iterator[tuple[int, int]]:
    """Yield ``(first, end)`` of the pieces of columns outside which every pixel is 255.

    Args:
        rows: Mask rows, each ``(h, width)`` of one width. Between two pieces there are at least
            64 columns of 255.
    """
    least = [part.min(axis=0, initial=IGNORE_INDEX) for part in rows]
    columns = np.flatnonzero(np.minimum.reduce(least) != IGNORE_INDEX)
    if columns.size == 0:
        return
    gaps = np.flatnonzero(np.diff(columns) > _LEAST_GAP_PX)
    firsts = columns[np.append(0, gaps + 1)].tolist()
    lasts = columns[np.append(gaps, columns.size - 1)].tolist()
    for first, last in zip(firsts, lasts, strict=True):
        yield first, last + 1
