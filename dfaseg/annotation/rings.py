"""Rings that touch themselves are split, and all begin where the image is read first.

Horizontal edges are rows ``(begin_x, y, end_x, y)``, so the edges of a ring, taken as ``(x, y)``
pairs, are its vertices.
"""

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation.chains import OPEN, Order, order_nodes

EdgePairs = NDArray[np.intp] | NDArray[np.int32]
"""Pairs of edges of one ring that share a vertex, ``(m, 2)``."""


def vertices_of(edges: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return edges ``(n, 4)`` as vertices ``(2 n, 2)``, (x, y)."""
    return edges.reshape(-1, 2)


def find_tops(following: NDArray[np.int32], edges: NDArray[np.int32]) -> NDArray[np.intp]:
    """Return the edges whose chain runs down from both ends, in raster order; each ring has one.

    Args:
        following: Next edge of each, or ``OPEN``; open chains run out downwards.
        edges: Edges ``(n, 4)``.
    """
    y = np.ascontiguousarray(edges[:, 1])
    goes_down = y[following] > y
    goes_down |= following == OPEN
    comes_up = np.ones(y.size + 1, bool)
    comes_up[following[goes_down]] = False
    tops = np.flatnonzero(goes_down & comes_up[:-1])
    order = np.lexsort((np.minimum(edges[tops, 0], edges[tops, 2]), y[tops]))
    return tops[order]


def split_rings(edges: NDArray[np.int32], counts: NDArray[np.intp]) -> Order:
    """Split rings where they touch themselves.

    Args:
        edges: Edges ``(n, 4)`` of rings, ring after ring.
        counts: Edges of each ring.

    Returns:
        Simple rings; each begins with its topmost, then leftmost edge.
    """
    ring = np.repeat(np.arange(counts.size, dtype=np.int32), counts)
    following = np.arange(1, ring.size + 1, dtype=np.int32)
    ends = np.cumsum(counts)
    following[ends - 1] = ends - counts
    same_begin = _find_pairs(ring, edges[:, 0], edges[:, 1])
    same_end = _find_pairs(ring, edges[:, 2], edges[:, 3])
    following = _untangle(following, same_begin, same_end)
    return order_nodes(following, find_tops(following, edges))


def split_order(
    order: Order,
    following: NDArray[np.int32],
    edges: NDArray[np.int32],
    same_begin: EdgePairs,
    same_end: EdgePairs,
) -> Order:
    """Order anew the closed chains that touch themselves; they come last, the others stay."""
    chains = order.chain_of_node()
    is_split = np.zeros(len(order), bool)
    is_split[chains[np.concatenate([same_begin[:, 0], same_end[:, 0]])]] = True
    moved = np.flatnonzero(is_split[chains])
    number = np.full(following.size, OPEN, np.int32)
    number[moved] = np.arange(moved.size)
    part = _untangle(number[following[moved]], number[same_begin], number[same_end])
    rings = order_nodes(part, find_tops(part, edges.take(moved, axis=0)))
    kept = np.repeat(~is_split, order.counts)
    counts = order.counts[~is_split]
    starts = np.concatenate([np.cumsum(counts) - counts, rings.starts + int(counts.sum())])
    return Order(np.concatenate([order.nodes[kept], moved[rings.nodes]]), starts)


def _untangle(
    following: NDArray[np.int32], same_begin: EdgePairs, same_end: EdgePairs
) -> NDArray[np.int32]:
    """Split rings at the vertices that they pass twice, by exchanging the ways on.

    A ring of a 4-connected region never crosses itself, so the exchanges do not interfere.

    Args:
        following: Next edge of each edge.
        same_begin: Pairs of edges of one ring that begin at one vertex.
        same_end: Pairs of edges of one ring that end at one vertex.
    """
    # A vertical edge has the number of the edge that it leaves; both its ends may be exchanged.
    leaving = np.arange(following.size, dtype=np.int32)
    leaving[same_end] = same_end[:, ::-1]
    arriving = following.copy()
    preceding = np.empty_like(following)
    preceding[following] = np.arange(following.size)
    arriving[preceding[same_begin]] = same_begin[:, ::-1]
    return arriving[leaving]


def _find_pairs(ring: NDArray[np.int32], x: NDArray[np.int32], y: NDArray[np.int32]) -> EdgePairs:
    """Return the pairs of equal points of one ring; no point occurs more than twice."""
    order = np.lexsort((x, y, ring))
    x, y, ring = x[order], y[order], ring[order]
    is_pair = (x[1:] == x[:-1]) & (y[1:] == y[:-1]) & (ring[1:] == ring[:-1])
    first = np.flatnonzero(is_pair)
    return np.stack([order[first], order[first + 1]], axis=1)
