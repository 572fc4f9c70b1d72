"""Rings cut into blocks of bounded size, however long or many they are."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK_VERTICES = 1 << 13
"""Vertices worked on at a time, few enough to stay in the processor's cache."""

Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class RingBlock:
    """Vertices of rings one after another, each ring closed: its first vertex is also its last.

    A long ring spans blocks: the first opens it, the last closes it.
    """

    vertices: NDArray[np.int32]
    """``(n, 2)``, (x, y)."""
    opens: Places
    """Which vertices begin a ring."""
    closes: Places
    """Which vertices end one."""
    lasts: Places
    """Which of ``closes`` end the last ring of a polygon; empty where nobody asks."""


NOWHERE: Places = np.empty(0, np.intp)


def close_rings(vertices: NDArray[np.int32], bounds: Places, lasts: Places = NOWHERE) -> RingBlock:
    """Return open rings as one block.

    Args:
        vertices: ``(n, 2)``, ring after ring.
        bounds: Where each ring begins among them, and ``n``.
        lasts: Which rings are the last of their polygon.
    """
    number = np.arange(bounds.size - 1)
    opens, closes = bounds[:-1] + number, bounds[1:] + number
    source = np.arange(len(vertices) + number.size) - np.repeat(number, np.diff(bounds) + 1)
    source[closes] = bounds[:-1]
    return RingBlock(vertices.take(source, axis=0), opens, closes, lasts)


def cut_ring(parts: Iterable[NDArray[np.int32]]) -> Iterator[RingBlock]:
    """Yield one open ring, given in parts ``(n, 2)`` of which none is empty, as blocks."""
    first: NDArray[np.int32] | None = None
    for part in parts:
        opens = NOWHERE if first is not None else np.zeros(1, np.intp)
        first = part[:1] if first is None else first
        yield RingBlock(part, opens, NOWHERE, NOWHERE)
    if first is not None:
        yield RingBlock(first, NOWHERE, np.zeros(1, np.intp), NOWHERE)


def cut_rings(vertices: NDArray[np.int32], bounds: Places) -> Iterator[RingBlock]:
    """Yield open rings that are in memory, as ``close_rings`` takes them, in blocks."""
    for first, end in group_rings(bounds):
        part = vertices[bounds[first] : bounds[end]]
        if len(part) > BLOCK_VERTICES:
            starts = range(0, len(part), BLOCK_VERTICES)
            yield from cut_ring(part[start : start + BLOCK_VERTICES] for start in starts)
        else:
            yield close_rings(part, bounds[first : end + 1] - bounds[first])


def group_rings(bounds: Places) -> Iterator[tuple[int, int]]:
    """Yield ranges of consecutive rings of ``BLOCK_VERTICES`` at most; a longer one comes alone.

    Args:
        bounds: Where each ring begins among the vertices, and their number.
    """
    first, count = 0, bounds.size - 1
    while first < count:
        fitting = np.searchsorted(bounds, bounds[first] + BLOCK_VERTICES, side="right") - 1
        end = min(max(int(fitting), first + 1), count)
        yield first, end
        first = end
