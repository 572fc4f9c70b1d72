"""Exact area resampling by a fraction: each result pixel is the mean of what it covers."""

from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

# The tiler spreads its blocks over its own threads; OpenCV's would only get in their way.
cv2.setNumThreads(1)

FAST_IN_OPENCV = frozenset({Fraction(2), Fraction(4)})
"""Scales at which OpenCV is faster than our own sums."""
MAX_WEIGHT = 256
"""Largest sum of weights with which sums of pixel values, and half a weight to round them, fit into
16 bits."""


def resample_block(
    source: NDArray[np.uint8], scale_x: Fraction, scale_y: Fraction, out: NDArray[np.uint8]
) -> None:
    """Shrink (or enlarge) a block of whole periods of the pixel grids by area averaging.

    The block must begin and end where an edge of the source grid meets one of the result's:
    ``source`` has ``m * numerator`` and ``out`` has ``m * denominator`` pixels per axis.

    Args:
        source: RGB pixels, shape ``(h, w, 3)``.
        scale_x: Source pixels per result pixel, horizontally.
        scale_y: The same, vertically.
        out: Where the result goes, shape ``(h / scale_y, w / scale_x, 3)``.
    """
    height, width = source.shape[:2]
    assert (out.shape[1] * scale_x, out.shape[0] * scale_y) == (width, height)
    size = (out.shape[1], out.shape[0])
    if scale_x == scale_y == 1:
        out[...] = source
    elif min(scale_x, scale_y) < 1:
        _enlarge(source, scale_x, scale_y, out)
    elif {scale_x, scale_y} <= FAST_IN_OPENCV or scale_y.numerator > MAX_WEIGHT:
        cv2.resize(source, size, dst=out, interpolation=cv2.INTER_AREA)
    else:
        _shrink(source, scale_x, scale_y, out)


def _shrink(
    source: NDArray[np.uint8], scale_x: Fraction, scale_y: Fraction, out: NDArray[np.uint8]
) -> None:
    """Sum rows in 16-bit whole numbers, which lose nothing, then along them."""
    weight = scale_x.numerator * scale_y.numerator
    if weight <= MAX_WEIGHT:
        # Sums along rows do not fit the vector units, sums over them do: the picture is turned.
        turned = cv2.transpose(_weighted_sums(source, scale_y))
        sums = _weighted_sums(np.asarray(turned, np.uint16), scale_x)
        out[...] = cv2.transpose(_divided(sums, weight))
    else:
        factor = MAX_WEIGHT // scale_y.numerator
        sums = _weighted_sums(source, scale_y, factor)
        means = cv2.resize(sums, out.shape[1::-1], interpolation=cv2.INTER_AREA)
        out[...] = _divided(np.asarray(means, np.uint16), scale_y.numerator * factor)


def _divided(sums: NDArray[np.uint16], weight: int) -> NDArray[np.uint8]:
    """Divide sums by their weight, rounded; the sums are changed."""
    sums += np.uint16(weight // 2)
    means = np.empty(sums.shape, np.uint8)
    np.floor_divide(sums, np.uint16(weight), out=means, casting="unsafe")
    return means


def _weighted_sums(
    source: NDArray[np.uint8] | NDArray[np.uint16], scale: Fraction, factor: int = 1
) -> NDArray[np.uint16]:
    """Sum along the first axis, each row weighted by how much of it a result row covers.

    The sum of the weights of a result row is ``factor * scale.numerator``.

    Args:
        source: Shape ``(h, w, 3)``.
        scale: Source rows per result row, at least 1.
        factor: What all weights are multiplied by.

    Returns:
        Weighted sums, shape ``(h / scale, w, 3)``.
    """
    extent, unit = scale.numerator, scale.denominator
    periods = source.reshape(-1, extent, *source.shape[1:])
    sums = np.empty((len(periods), unit, *source.shape[1:]), np.uint16)
    part = np.empty_like(sums[:, 0])
    for row in range(unit):
        total = sums[:, row]
        # In units of 1/denominator of a source row, so that all weights are whole numbers.
        start, stop = row * extent, (row + 1) * extent
        first_whole, end_whole = -(-start // unit), stop // unit
        total[...] = periods[:, first_whole] if first_whole < end_whole else 0
        for index in range(first_whole + 1, end_whole):
            total += periods[:, index]
        total *= np.uint16(unit * factor)
        for index, weight in ((start // unit, -start % unit), (end_whole, stop % unit)):
            if weight:
                np.multiply(periods[:, index], np.uint16(weight * factor), out=part)
                total += part
    return sums.reshape(-1, *source.shape[1:])


def _enlarge(
    source: NDArray[np.uint8], scale_x: Fraction, scale_y: Fraction, out: NDArray[np.uint8]
) -> None:
    """Enlarge along at least one axis; OpenCV's area mode is exact for shrinking only."""
    height, width = source.shape[:2]
    shrunk_size = (min(width, out.shape[1]), min(height, out.shape[0]))
    shrunk = np.asarray(cv2.resize(source, shrunk_size, interpolation=cv2.INTER_AREA))
    rows = _enlarge_rows(shrunk.astype(np.uint8), min(scale_y, Fraction(1)))
    columns = _enlarge_rows(rows.swapaxes(0, 1), min(scale_x, Fraction(1)))
    out[...] = columns.swapaxes(0, 1)


def _enlarge_rows(source: NDArray[np.uint8], scale: Fraction) -> NDArray[np.uint8]:
    """Enlarge along the first axis; a result row covers parts of at most two source rows."""
    if scale == 1:
        return source
    # In units of 1/denominator of a source row, so that all weights are whole numbers.
    unit, extent = scale.denominator, scale.numerator
    start = np.arange(len(source) * unit // extent) * extent
    first = start // unit
    in_second = np.maximum(0, start + extent - (first + 1) * unit)
    weights = np.stack([extent - in_second, in_second])[..., None, None]
    pair = np.stack([source[first], source[np.minimum(first + 1, len(source) - 1)]])
    total = (weights * pair.astype(np.int64)).sum(axis=0)
    enlarged: NDArray[np.uint8] = ((total + extent // 2) // extent).astype(np.uint8)
    return enlarged
