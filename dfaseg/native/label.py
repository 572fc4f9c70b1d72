"""Labels of rows of cells, from logits at the network's stride; the rules are the stitcher's."""

import numpy as np
from numpy.typing import NDArray

from dfaseg.native.library import load

Logits = NDArray[np.float32]
Flags = NDArray[np.bool_]
Labels = NDArray[np.uint8]


def classify_cells(logits: Logits, covered: Flags) -> Labels:
    """Return the first class of largest logit of each cell, 255 where it is not covered.

    Args:
        logits: Shape ``(k, n, w)``; the values of a row lie side by side.
        covered: Shape ``(n, w)``, likewise.

    Raises:
        ValueError: The arrays are not of these kinds and shapes.
    """
    cells = _cells(logits, covered)
    width = covered.shape[1]
    classes = np.empty(covered.shape, np.uint8)
    best, winner = np.empty(width, np.float32), np.empty(width, np.int32)
    load().dfaseg_classify(*cells, classes.ctypes.data, best.ctypes.data, winner.ctypes.data)
    return classes


def label_squares(logits: Logits, covered: Flags, near: Logits, far: Logits, out: Labels) -> None:
    """Label all pixels between rows of cell centres. Python's lock is not held meanwhile.

    Args:
        logits: At least one row, see ``classify_cells``.
        covered: Likewise.
        near: Weight of the nearer of two cells at each pixel between their centres, ``(stride,)``.
        far: Weight of the other, likewise.
        out: What is written, ``((n - 1) * stride, (w + 1) * stride)``. Its first line lies below
            the centres of the first row, its first column half a cell to the left of the first
            cell: beyond the outermost columns cells are repeated.

    Raises:
        ValueError: The arrays are not of these kinds and shapes.
    """
    cells = _cells(logits, covered)
    (num_rows, width), stride = covered.shape, len(near)
    if (
        out.shape != ((num_rows - 1) * stride, (width + 1) * stride)
        or (out.size and out.strides[1] != 1)
        or out.dtype != np.uint8
        or not (near.dtype == far.dtype == np.float32 and near.shape == far.shape == (stride,))
        or not (near.flags.c_contiguous and far.flags.c_contiguous and out.flags.writeable)
        or stride % 2
    ):
        raise ValueError(f"labels of shape {out.shape} do not fit cells of shape {covered.shape}")
    classes = np.empty(2 * (width + 2), np.uint8)
    room = max(width, 2 * stride * (stride + 1))
    floats, ints = np.empty(room, np.float32), np.empty(room, np.int32)
    load().dfaseg_label(
        *cells,
        stride,
        near.ctypes.data,
        far.ctypes.data,
        out.ctypes.data,
        out.strides[0],
        classes.ctypes.data,
        floats.ctypes.data,
        ints.ctypes.data,
    )


def _cells(logits: Logits, covered: Flags) -> tuple[int, ...]:
    """Return what says in C where cells lie and how many there are."""
    if (
        logits.shape[1:] != covered.shape
        or not 1 <= len(logits) <= 255
        or logits.dtype != np.float32
        or covered.dtype != np.bool_
        or covered.shape[1] == 0
        or (logits.size and (logits.strides[2] != 4 or covered.strides[1] != 1))
    ):
        raise ValueError(f"logits of shape {logits.shape} over cells of shape {covered.shape}")
    plane, row, size = logits.strides
    return (
        *(logits.ctypes.data, plane // size, row // size, len(logits)),
        *(covered.ctypes.data, covered.strides[0], *covered.shape),
    )
