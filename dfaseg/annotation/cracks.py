"""Where region borders turn: the corners of all classes in a strip of mask rows, found at once.

Borders run along *cracks*, the edges between two pixels of unequal class. A border is directed so
that its region lies on the right-hand side of a walker on the screen (y points down), so exteriors
run right along their top. A lattice vertex has four pixels around it::

    A | B
    --+--
    C | D

A *convex* corner belongs to one of these pixels, which differs from both its neighbours; a
*concave* one belongs to the other three, which are equal. Equal pixels that meet only diagonally
keep corners of their own, which is what makes regions 4-connected.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfaseg.classmap import IGNORE_INDEX

_BLOCK_PX = 1 << 17
"""Pixels compared at a time, so that the comparisons stay in the processor's cache."""

# A kind of corner is the sum of these; each of the eight sums is one kind.
BELOW = 1
"""The region lies below the corner's horizontal crack."""
LEFT_END = 2
"""The horizontal crack runs from the corner to the right."""
UP = 4
"""The vertical crack is walked upwards; its region is on the right of it."""

_CONVEX = (0, LEFT_END + UP, BELOW, BELOW + LEFT_END + UP)
_CONCAVE = (BELOW + UP, BELOW + LEFT_END, UP, LEFT_END)
"""Kinds of corner at pixel A, B, C, D, and of all but A, B, C, D."""
_NO_CORNER = 8


def _tabulate_kinds() -> NDArray[np.uint8]:
    """Return the kinds of up to four corners for each code of a vertex, ``(256, 4)``.

    Bits 0-3 of the code: cracks above, below, left and right of the vertex. Bits 4-7: the pixels
    A-D are not analysed, so they are no region and have no corners.
    """
    sides = ((1, 4), (1, 8), (2, 4), (2, 8))  # vertical and horizontal crack beside A, B, C, D
    table = np.full((256, 4), _NO_CORNER, np.uint8)
    for code in range(256):
        kinds = []
        for pixel, (vertical, horizontal) in enumerate(sides):
            if not (code & vertical and code & horizontal):
                continue
            if not code & 16 << pixel:
                kinds.append(_CONVEX[pixel])
            opposite = 3 - pixel
            if not code & sum(sides[opposite]) and not code & 16 << opposite:
                kinds.append(_CONCAVE[pixel])
        table[code, : len(kinds)] = kinds
    return table


_KINDS = _tabulate_kinds()


@dataclass(frozen=True, slots=True)
class Corners:
    """Corners of a strip in raster order."""

    x: NDArray[np.int32]
    """Lattice column of each corner, 0 to the mask's width."""
    line: NDArray[np.int32]
    """Lattice line of each corner, counted from the strip's first."""
    kind: NDArray[np.uint8]
    pinches: NDArray[np.intp]
    """Pairs of convex corners ``(m, 2)`` of one class that meet diagonally at a vertex."""


def find_corners(padded: NDArray[np.uint8]) -> Corners:
    """Find the corners on the lines between the rows of a strip.

    Args:
        padded: Mask rows ``(h, w + 2)``; first the last row of the strip before, and a column of
            not-analysed pixels at either side. The lines are the ``h - 1`` between the rows.
    """
    stride = padded.shape[1]
    vertices = np.concatenate([_find_turns(*block, stride) for block in _blocks(padded)])
    flat = padded.reshape(-1)
    pixels = [flat.take(vertices + step) for step in (0, 1, stride, stride + 1)]
    code, is_saddle = _encode(*pixels)
    kinds = _KINDS.view(np.uint32).reshape(-1).take(code).view(np.uint8)
    slots = np.flatnonzero(kinds != _NO_CORNER)
    bounds = np.searchsorted(vertices, np.arange(padded.shape[0]) * stride)
    line = np.repeat(np.arange(padded.shape[0] - 1, dtype=np.int32), np.diff(bounds))
    x = vertices.astype(np.int32)
    x -= line * np.int32(stride)
    owners = slots >> 2
    pinches = [
        _find_pinches(kinds, slots, is_saddle & (pixels[one] == pixels[other]), one, other)
        for one, other in ((0, 3), (1, 2))
    ]
    return Corners(x.take(owners), line.take(owners), kinds.take(slots), np.concatenate(pinches))


def _blocks(padded: NDArray[np.uint8]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield ``(flat offset, flat pixels)``; each block ends with the row the next starts with.

    Flat arrays are compared fastest, and the padding makes the step from one row's end to the
    next row's start a step between equal pixels.
    """
    num_lines, stride = padded.shape[0] - 1, padded.shape[1]
    step = max(1, _BLOCK_PX // stride)
    for first in range(0, num_lines, step):
        yield first * stride, padded[first : first + step + 1].reshape(-1)


def _find_turns(offset: int, block: NDArray[np.uint8], stride: int) -> NDArray[np.intp]:
    """Return the flat positions of pixel A of the vertices where a border turns."""
    crack = block[:-1] != block[1:]
    across = block[:-stride] != block[stride:]
    count = across.size - 1
    turns = crack[:count] | crack[stride : stride + count]
    turns &= across[:-1] | across[1:]
    return np.flatnonzero(turns) + offset


def _encode(
    a: NDArray[np.uint8], b: NDArray[np.uint8], c: NDArray[np.uint8], d: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return the codes of vertices and which of them have all four cracks."""
    code = (a != b).view(np.uint8)
    for bit, flag in enumerate((c != d, a != c, b != d), start=1):
        code |= flag.view(np.uint8) << np.uint8(bit)
    is_saddle = code == 15
    for bit, pixel in enumerate((a, b, c, d), start=4):
        code |= (pixel == IGNORE_INDEX).view(np.uint8) << np.uint8(bit)
    return code, is_saddle


def _find_pinches(
    kinds: NDArray[np.uint8],
    slots: NDArray[np.intp],
    is_touch: NDArray[np.bool_],
    one: int,
    other: int,
) -> NDArray[np.intp]:
    """Return the numbers of the two convex corners that touch at some vertices, ``(m, 2)``."""
    vertices = np.flatnonzero(is_touch)
    around = kinds.reshape(-1, 4)[vertices]
    analysed = (around == _CONVEX[one]).any(axis=1)
    vertices, around = vertices[analysed], around[analysed]
    found = [4 * vertices + np.argmax(around == _CONVEX[pixel], axis=1) for pixel in (one, other)]
    return np.searchsorted(slots, np.stack(found, axis=1))
