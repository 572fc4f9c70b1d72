"""What boxes of a grid hold, asked for all of them at once."""

import cv2
import numpy as np
from numpy.typing import NDArray

Span = tuple[NDArray[np.int64], NDArray[np.int64]]
"""First and one past the last index of each box along one axis; may reach beyond the flags."""
FloatSpan = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Where each box begins and ends along one axis; may reach beyond the flags."""


def any_in_boxes(flags: NDArray[np.bool_], rows: Span, cols: Span) -> NDArray[np.bool_]:
    """Tell which boxes hold at least one flag; see ``count_in_boxes``."""
    found: NDArray[np.bool_] = count_in_boxes(flags, rows, cols) > 0
    return found


def count_in_boxes(flags: NDArray[np.bool_], rows: Span, cols: Span) -> NDArray[np.int64]:
    """Count the flags in each box.

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
    count: NDArray[np.int64] = (
        table[np.ix_(bottom, right)]
        - table[np.ix_(top, right)]
        - table[np.ix_(bottom, left)]
        + table[np.ix_(top, left)]
    )
    return count


def share_in_boxes(
    flags: NDArray[np.bool_], rows: FloatSpan, cols: FloatSpan
) -> NDArray[np.float64]:
    """Return which share of each box of a grid is flagged, pixels in part by their part.

    What of a box lies beyond the flags counts as not flagged.

    Args:
        flags: Shape ``(h, w)``.
        rows: Where each row of boxes begins and ends, in pixels.
        cols: The same for each column of boxes.

    Returns:
        Shape ``(rows of boxes, columns of boxes)``.
    """
    table = np.asarray(cv2.integral(flags.view(np.uint8), sdepth=cv2.CV_32S))
    top, bottom = (_interpolated(table, edges) for edges in rows)
    height, width = rows[1] - rows[0], cols[1] - cols[0]
    left, right = (_interpolated((bottom - top).T, edges).T for edges in cols)
    share: NDArray[np.float64] = (right - left) / np.outer(height, width)
    return share


def _interpolated(table: NDArray[np.generic], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rows of a table at places between them, exact where it grows evenly."""
    inside = places.clip(0, len(table) - 1)
    above = np.minimum(inside.astype(np.int64), len(table) - 2)
    part = (inside - above)[:, None]
    rows: NDArray[np.float64] = table[above] * (1 - part) + table[above + 1] * part
    return rows
