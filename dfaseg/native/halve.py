"""Class indices at half their resolution."""

import numpy as np
from numpy.typing import NDArray

from dfaseg.native.library import load


def halve_mode(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Halve rows of class indices along both axes by majority.

    Of the most frequent values of a 2 × 2 block the first in reading order wins; 255 is a value
    like any other. An odd last column counts twice.

    Args:
        rows: An even number of rows, uint8 ``(2 h, w)``; they may lie apart, their pixels may not.

    Returns:
        Shape ``(h, ceil(w / 2))``.

    Raises:
        ValueError: They are not such rows.
    """
    if (
        rows.dtype != np.uint8
        or rows.ndim != 2
        or len(rows) % 2
        or (rows.size and rows.strides[1] != 1)
    ):
        raise ValueError(f"rows of {rows.dtype} of shape {rows.shape} cannot be halved")
    halved = np.empty((len(rows) // 2, -(-rows.shape[1] // 2)), np.uint8)
    load().dfaseg_halve(
        rows.ctypes.data, rows.strides[0], len(halved), rows.shape[1], halved.ctypes.data
    )
    return halved
