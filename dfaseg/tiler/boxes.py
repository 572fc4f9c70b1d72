"""Which boxes of a grid hold something, asked for all of them at once."""

import cv2
import numpy as np
from numpy.typing import NDArray

Span = tuple[NDArray[np.int64], NDArray[np.int64]]
"""First and one past the last index of each box along one axis; may reach beyond the flags."""


def any_in_boxes(flags: NDArray[np.bool_], rows: Span, cols: Span) -> NDArray[np.bool_]:
    """Tell which boxes hold at least one flag.

    Args:
        flags: Shape ``(h, w)``.
        rows: Rows of each row of boxes.
        cols: Columns of each column of boxes.

    Returns:
        Shape ``(rows of boxes, columns of boxes)``.
    """
    # Summed-area table: how many flags lie above and to the left of each place.
    table = np.asarray(cv2.integral(flags.view(np.uint8), sdepth=cv2.CV_32S))
    (top, bottom), (left, right) = (
        (first.clip(0, length), end.clip(0, length))
        for (first, end), length in zip((rows, cols), flags.shape, strict=True)
    )
    count = (
        table[np.ix_(bottom, right)]
        - table[np.ix_(top, right)]
        - table[np.ix_(bottom, left)]
        + table[np.ix_(top, left)]
    )
    found: NDArray[np.bool_] = count > 0
    return found
