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
    is_analysed = np.zeros(rows[0].shape[1] + 2, np.bool_)
    for part in rows:
        is_analysed[1:-1] |= part.min(axis=0, initial=IGNORE_INDEX) != IGNORE_INDEX
    changes = np.flatnonzero(is_analysed[1:] != is_analysed[:-1])
    if changes.size == 0:
        return
    firsts, ends = changes[0::2], changes[1::2]
    is_gap = firsts[1:] - ends[:-1] >= _LEAST_GAP_PX
    firsts, ends = firsts[np.append(True, is_gap)], ends[np.append(is_gap, True)]
    yield from zip(firsts.tolist(), ends.tolist(), strict=True)
