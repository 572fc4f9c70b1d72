"""Exact area resampling by a fraction: each result pixel is the mean of what it covers."""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from dfaseg.native.library import load

MAX_NUMERATOR = 2**23 - 1
"""Largest numerator of a scale with which sums of rows fit into 31 bits."""


def average(
    source: NDArray[np.uint8], result: NDArray[np.uint8], scale_x: Fraction, scale_y: Fraction
) -> None:
    """Shrink or enlarge whole periods of two grids of pixels by area averaging.

    Both arrays must begin and end where an edge of the source grid meets one of the result's. Means
    are those of whole numbers, rounded once, halves up. Python's lock is not held meanwhile.

    Args:
        source: RGB, shape ``(m * scale_y.numerator, n * scale_x.numerator, 3)``; its rows may lie
            apart, the pixels of a row may not.
        result: Where the means go, ``(m * scale_y.denominator, n * scale_x.denominator, 3)``;
            likewise.
        scale_x: Source pixels per result pixel, horizontally.
        scale_y: The same, vertically.

    Raises:
        ValueError: The arrays are not of these shapes, or a numerator is above ``MAX_NUMERATOR``.
    """
    covered_y, covered_x = scale_y.numerator, scale_x.numerator
    counts = scale_y.denominator, scale_x.denominator
    periods_y, periods_x = source.shape[0] // covered_y, source.shape[1] // covered_x
    if (
        source.shape != (periods_y * covered_y, periods_x * covered_x, 3)
        or result.shape != (periods_y * counts[0], periods_x * counts[1], 3)
        or max(covered_y, covered_x) > MAX_NUMERATOR
        or not (_has_whole_rows(source) and _has_whole_rows(result) and result.flags.writeable)
    ):
        raise ValueError(
            f"pixels of shape {source.shape} cannot be averaged into {result.shape} "
            f"by {scale_y} x {scale_x}"
        )
    sums = np.empty(source.shape[1] * 3 + 1, np.uint32)
    load().dfaseg_average(
        source.ctypes.data,
        source.strides[0],
        result.ctypes.data,
        result.strides[0],
        periods_y,
        covered_y,
        counts[0],
        periods_x,
        covered_x,
        counts[1],
        sums.ctypes.data,
    )


def _has_whole_rows(pixels: NDArray[np.uint8]) -> bool:
    """Tell whether the bytes of each row lie side by side."""
    return pixels.dtype == np.uint8 and (pixels.size == 0 or pixels.strides[1:] == (3, 1))
