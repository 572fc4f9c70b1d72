"""Exact area resampling by a fraction: each result pixel is the mean of what it covers."""

from collections.abc import Callable
from fractions import Fraction
from functools import partial

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
_MAX_PRODUCT = 2**18 - 1
"""Multiplications of a matrix product that BLAS does in the thread that asks for it; larger ones it
spreads over threads of its own, which would get in the way of the tiler's."""

Resampler = Callable[[NDArray[np.uint8], NDArray[np.uint8]], None]
"""Shrinks or enlarges the first array, shape ``(h, w, 3)``, into the second."""


def resampler(scale_x: Fraction, scale_y: Fraction) -> Resampler:
    """Return the function that resamples blocks of whole periods of the grids by area averaging.

    A block must begin and end where an edge of the source grid meets one of the result's: its
    source has ``m * numerator`` and its result ``m * denominator`` pixels per axis.

    Args:
        scale_x: Source pixels per result pixel, horizontally.
        scale_y: The same, vertically.
    """
    if scale_x == scale_y == 1:
        return _copy
    if min(scale_x, scale_y) < 1:
        return partial(_enlarge, scale_x, scale_y)
    if {scale_x, scale_y} <= FAST_IN_OPENCV or scale_y.numerator > MAX_WEIGHT:
        return _average
    if scale_x.numerator * scale_y.numerator <= MAX_WEIGHT:
        return partial(_multiply, _area_weights(scale_x, 3).T.copy(), _area_weights(scale_y))
    return partial(_shrink, scale_y)


def _copy(source: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    out[...] = source


def _average(source: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    cv2.resize(source, out.shape[1::-1], dst=out, interpolation=cv2.INTER_AREA)


def _multiply(
    weights_x: NDArray[np.float32],
    weights_y: NDArray[np.float32],
    source: NDArray[np.uint8],
    out: NDArray[np.uint8],
) -> None:
    """Shrink by two matrix products of whole numbers, which single precision holds exactly.

    The other ways take dozens of calls, between which threads wait for Python's lock; this takes
    four and, with threads beside it, half the time.

    Args:
        weights_x: Weights of the channels of a period's columns, ``(3 numerator, 3 denominator)``.
        weights_y: Weights of its rows, ``(denominator, numerator)``.
        source: Shape ``(h, w, 3)``.
        out: Where the result goes.
    """
    rows = source.astype(np.float32).reshape(-1, weights_y.shape[1], source.shape[1] * 3)
    sums_y = np.empty((len(rows), len(weights_y), rows.shape[2]), np.float32)
    step = _MAX_PRODUCT // weights_y.size
    for start in range(0, rows.shape[2], step):
        columns = slice(start, start + step)
        np.matmul(weights_y, rows[..., columns], out=sums_y[..., columns])
    sums = np.matmul(sums_y.reshape(out.shape[0], -1, len(weights_x)), weights_x)
    weight = weights_x.shape[0] // 3 * weights_y.shape[1]
    # A quarter of a unit brings ties, and nothing else, to the upper side.
    cv2.convertScaleAbs(sums.reshape(out.shape), out, 1 / weight, 0.25 / weight)


def _area_weights(scale: Fraction, channels: int = 1) -> NDArray[np.float32]:
    """Return how much of each source pixel of a period each result pixel covers.

    In units of 1/denominator, so that all are whole numbers.

    Returns:
        Shape ``(denominator * channels, numerator * channels)``; channels do not mix.
    """
    extent, unit = scale.numerator, scale.denominator
    start = np.arange(unit)[:, None] * extent
    first = np.arange(extent) * unit
    covered = np.minimum(start + extent, first + unit) - np.maximum(start, first)
    weights = covered.clip(0).astype(np.float32)
    return np.kron(weights, np.eye(channels, dtype=np.float32))


def _shrink(scale_y: Fraction, source: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """Sum rows in 16-bit whole numbers, which lose nothing, then average along them."""
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


def _weighted_sums(source: NDArray[np.uint8], scale: Fraction, factor: int) -> NDArray[np.uint16]:
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
    scale_x: Fraction, scale_y: Fraction, source: NDArray[np.uint8], out: NDArray[np.uint8]
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
