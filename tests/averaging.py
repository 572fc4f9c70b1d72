"""Area averaging by its definition, in whole numbers: what the code is held against."""

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray


def exact_mean(
    source: NDArray[np.uint8],
    scale_x: Fraction,
    scale_y: Fraction,
    size: tuple[int, int] | None = None,
) -> NDArray[np.uint8]:
    """Return the mean over each result pixel's extent, rounded half up.

    Args:
        source: RGB, ``(h, w, 3)``; what lies beyond is white.
        scale_x: Source pixels per result pixel, horizontally.
        scale_y: The same, vertically.
        size: Rows and columns of the result; None for all that end within the source.
    """
    height, width, _ = source.shape
    num_rows, num_cols = size or (int(height / scale_y), int(width / scale_x))
    bottom, right = (math.ceil(num_rows * scale_y), math.ceil(num_cols * scale_x))
    beyond = (0, max(0, bottom - height)), (0, max(0, right - width)), (0, 0)
    padded = np.pad(source, beyond, constant_values=255).astype(float)  # for BLAS
    rows = _extents(padded.shape[0], num_rows, scale_y)
    cols = _extents(padded.shape[1], num_cols, scale_x)
    sums = np.einsum("ij,jkc,lk->ilc", rows, padded, cols, optimize=True).astype(np.int64)
    weight = scale_x.numerator * scale_y.numerator
    return ((2 * sums + weight) // (2 * weight)).astype(np.uint8)


def _extents(source_px: int, length: int, scale: Fraction) -> NDArray[np.float64]:
    """How much of each source px each result px covers, in parts of 1/denominator of one."""
    unit = scale.denominator
    edges = np.arange(length + 1) * scale.numerator
    first = np.arange(source_px) * unit
    ends = np.minimum(edges[1:, None], first + unit)
    return (ends - np.maximum(edges[:-1, None], first)).clip(0).astype(float)
