"""Polygons filled into a part of a mask by the even-odd rule at pixel centres."""

import numpy as np
from numpy.typing import NDArray

from dfaseg.native.library import load

_LEAST_WORDS = 1 << 14
"""Words of 64 bits in which rows are filled, as many rows at a time as they hold."""


def fill_shapes(
    part: NDArray[np.uint8],
    values: NDArray[np.int16],
    bounds: NDArray[np.int64],
    edges: tuple[NDArray[np.float64], NDArray[np.float64]],
    corner: tuple[int, int] = (0, 0),
) -> None:
    """Fill shapes one after another: pixels with an odd number of a shape's edges on their left.

    A centre exactly on an edge belongs to what is on the right of it (or below). Python's lock is
    not held meanwhile.

    Args:
        part: Part of a mask, ``(h, w)``; its rows may lie apart. Changed in place.
        values: What each shape is filled with, ``(n,)``; those with a negative one are left out.
        bounds: Where the edges of each shape begin, and the end of the last one's, ``(n + 1,)``.
        edges: Where edges begin and end, ``(bounds[-1], 2)`` each, (x, y), in pixels of the whole
            mask. Edges are not moved to the part before they are crossed: coordinates that are
            rounded anew could put a centre on another side. Those that cross the part's rows must
            close the shape there.
        corner: Column and row of the part's first pixel in the whole mask.

    Raises:
        ValueError: The arrays do not fit together.
    """
    starts, ends = (np.ascontiguousarray(points, np.float64) for points in edges)
    values, bounds = np.ascontiguousarray(values), np.ascontiguousarray(bounds)
    height, width = part.shape
    if (
        values.dtype != np.int16
        or bounds.dtype != np.int64
        or bounds.shape != (len(values) + 1,)
        or bounds[0] < 0
        or (np.diff(bounds) < 0).any()
        or not starts.shape == ends.shape == (len(starts), 2)
        or bounds[-1] > len(starts)
        or part.dtype != np.uint8
        or (part.size and part.strides[1] != 1)
        or not part.flags.writeable
    ):
        raise ValueError(f"shapes do not fit into a mask of shape {part.shape}")
    bits = np.zeros(max(_LEAST_WORDS, width // 64 + 1), np.uint64)
    load().dfaseg_fill(
        part.ctypes.data,
        part.strides[0],
        corner[1],
        corner[0],
        height,
        width,
        starts.ctypes.data,
        ends.ctypes.data,
        bounds.ctypes.data,
        values.ctypes.data,
        len(values),
        bits.ctypes.data,
        len(bits),
    )
