"""Polygons filled into a label or mask, exactly by the even-odd rule at pixel centres."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from dfaseg.classmap import IGNORE_INDEX

_BLOCK_PX = 1 << 22
"""Pixels of a polygon's bounding box filled at a time."""
_BITS = 64
"""Of a word."""

Ring = NDArray[np.int32] | NDArray[np.float64]
"""Vertices ``(n, 2)``, (x, y); closed or open."""


def rasterize(
    shapes: Iterable[tuple[int, Sequence[Ring]]],
    width: int,
    height: int,
    *,
    background: int = IGNORE_INDEX,
) -> NDArray[np.uint8]:
    """Fill polygons; later ones cover earlier ones.

    A pixel is inside when its centre is, by the even-odd rule over all rings of the polygon. A
    centre exactly on an edge belongs to the polygon on the right of it (or below), so polygons
    that share an edge neither overlap nor leave a gap.

    Args:
        shapes: Class index and rings of each polygon, in pixels.
        width: Width of the result.
        height: Height of the result.
        background: Index of pixels in no polygon.

    Returns:
        Class indices ``(height, width)``.
    """
    mask = np.full((height, width), background, np.uint8)
    for class_index, rings in shapes:
        starts = np.concatenate([np.asarray(ring, np.float64) for ring in rings])
        ends = np.concatenate([np.roll(np.asarray(ring, np.float64), -1, axis=0) for ring in rings])
        fill_edges(mask, class_index, starts, ends)
    return mask


def fill_edges(
    mask: NDArray[np.uint8],
    class_index: int,
    starts: NDArray[np.float64],
    ends: NDArray[np.float64],
    corner: tuple[int, int] = (0, 0),
) -> None:
    """Fill a polygon into a part of a mask.

    Edges above and below the part may be missing: only those that cross its rows count.

    Args:
        mask: The part, ``(h, w)``; changed in place.
        class_index: What the polygon is filled with.
        starts: Where its edges begin, ``(n, 2)``, (x, y), in pixels of the whole mask.
        ends: Where they end, likewise.
        corner: Column and row of the part's first pixel in the whole mask. Edges are not moved
            there: coordinates that are rounded anew could put a centre on another side.
    """
    height, width = mask.shape
    low, high = np.minimum(starts, ends).min(axis=0), np.maximum(starts, ends).max(axis=0)
    left = max(corner[0], math.floor(low[0]))
    right = min(corner[0] + width, math.ceil(high[0]))
    top = max(corner[1], math.floor(low[1]))
    bottom = min(corner[1] + height, math.ceil(high[1]))
    if left >= right or top >= bottom:
        return
    step = max(1, _BLOCK_PX // (right - left))
    cols = slice(left - corner[0], right - corner[0])
    for first in range(top, bottom, step):
        end = min(first + step, bottom)
        inside = _is_inside(starts, ends, (first, end), (left, right))
        part = mask[first - corner[1] : end - corner[1], cols]
        np.copyto(part, np.uint8(class_index), where=inside)


def _is_inside(
    starts: NDArray[np.float64],
    ends: NDArray[np.float64],
    rows: tuple[int, int],
    cols: tuple[int, int],
) -> NDArray[np.bool_]:
    """Tell which pixels of a box are inside: those with an odd number of edges on their left."""
    (top, bottom), (left, right) = rows, cols
    width = right - left
    row, col = _find_crossings(starts, ends, top, bottom)
    is_before_end = col < right
    row, col = row[is_before_end] - top, np.maximum(col[is_before_end] - left, 0)
    # A bit per pixel, so that a few steps over 64 at a time do what would be one step per pixel.
    words = np.zeros((bottom - top, -(-width // _BITS)), "<u8")
    bits = np.left_shift(np.uint64(1), (col % _BITS).astype(np.uint64))
    np.bitwise_xor.at(words, (row, col // _BITS), bits)
    _xor_from_left(words)
    pixels = np.unpackbits(words.view(np.uint8), axis=1, count=width, bitorder="little")
    return pixels.view(np.bool_)


def _xor_from_left(words: NDArray[np.uint64]) -> None:
    """Turn each bit into the parity of itself and all bits before it in its row, lowest first."""
    for shift in (1, 2, 4, 8, 16, 32):
        words ^= words << np.uint64(shift)
    is_odd = np.logical_xor.accumulate(words[:, :-1] >> np.uint64(_BITS - 1), axis=1)
    words[:, 1:] ^= np.where(is_odd, ~np.uint64(0), np.uint64(0))


def _find_crossings(
    starts: NDArray[np.float64], ends: NDArray[np.float64], top: int, bottom: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the pixels ``(rows, columns)`` whose centres are the first right of an edge.

    Only rows from ``top`` to ``bottom`` are looked at.
    """
    goes_down = starts[:, 1] <= ends[:, 1]
    upper_x, upper_y = np.where(goes_down, starts.T, ends.T)
    lower_x, lower_y = np.where(goes_down, ends.T, starts.T)
    # An edge crosses the centre lines in [upper y, lower y), so vertices count once.
    lines = np.clip(np.ceil(np.stack([upper_y, lower_y]) - 0.5), top, bottom).astype(np.intp)
    counts = lines[1] - lines[0]
    rows = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts - lines[0], counts)
    per_edge = np.stack([upper_x, lower_x - upper_x, upper_y, lower_y - upper_y])
    x, run, y, rise = np.repeat(per_edge, counts, axis=1)
    share = (rows + 0.5 - y) / rise
    return rows, np.ceil(x + share * run - 0.5).astype(np.intp)
