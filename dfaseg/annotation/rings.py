"""Rings that touch themselves are split, and all begin where the image is read first.

Horizontal edges are rows ``(begin_x, y, end_x, y)``, so the edges of a ring, taken as ``(x, y)``
pairs, are its vertices. A ring is split by cutting it into *segments*, runs of edges between the
vertices that it passes twice, and linking these anew: rings seldom touch themselves, so that there
are few segments, however many edges.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation.chains import Order, order_nodes

Places = NDArray[np.intp]
Pairs = NDArray[np.intp]
"""Pairs of edges of one ring that share a vertex, ``(m, 2)``."""


def vertices_of(edges: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return edges ``(n, 4)`` as vertices ``(2 n, 2)``, (x, y)."""
    return edges.reshape(-1, 2)


def keys_of(edges: NDArray[np.int32], num_columns: int) -> NDArray[np.int64]:
    """Return the key, ``y * num_columns + x``, of the left vertex of each edge ``(n, 4)``."""
    left = np.minimum(edges[:, 0], edges[:, 2])
    keys: NDArray[np.int64] = edges[:, 1] * np.int64(num_columns) + left
    return keys


@dataclass(frozen=True, slots=True)
class Segments:
    """Rings cut into runs of edges, and how these follow each other once the rings are split."""

    starts: Places
    """The first edge of each segment, ascending."""
    ends: Places
    """One past the last edge of each segment."""
    following: NDArray[np.int32]
    """The next segment of each."""


@dataclass(frozen=True, slots=True)
class RingRanges:
    """Simple rings as ranges of edges, one after another."""

    firsts: Places
    counts: Places
    bounds: Places
    """``(rings + 1,)``: where each ring begins among the ranges."""

    @property
    def num_edges(self) -> Places:
        """Edges of each ring."""
        return np.add.reduceat(self.counts, self.bounds[:-1])

    def order(self) -> Order:
        """Return the edges of all rings, listed ring by ring."""
        sizes = self.num_edges
        return Order(concatenate_ranges(self.firsts, self.counts), np.cumsum(sizes) - sizes)


def cut_segments(bounds: Places, same_begin: Pairs, same_end: Pairs) -> Segments:
    """Cut rings where they touch themselves, and exchange the ways on there.

    A ring of a 4-connected region never crosses itself, so the exchanges do not interfere.

    Args:
        bounds: Where each ring begins among the edges, and their number.
        same_begin: Pairs of edges of one ring that begin at one vertex.
        same_end: Pairs of edges of one ring that end at one vertex.
    """
    after = _follow(same_end.reshape(-1), bounds)
    starts = np.unique(np.concatenate([bounds[:-1], after, same_begin.reshape(-1)]))
    ends = np.append(starts[1:], bounds[-1:])
    # A vertical edge has the number of the edge that it leaves; both its ends may be exchanged.
    leaving = _exchange(ends - 1, same_end)
    arriving = _exchange(_follow(leaving, bounds), same_begin)
    return Segments(starts, ends, np.searchsorted(starts, arriving).astype(np.int32))


def join_segments(
    segments: Segments, smallest_key: NDArray[np.int64], smallest_at: Places
) -> RingRanges:
    """Join segments to rings that begin with their topmost, then leftmost edge, sorted by it.

    Args:
        segments: All segments of some rings.
        smallest_key: Smallest key of the edges of each segment.
        smallest_at: The edge that has it.
    """
    order, _ = order_nodes(segments.following, np.argsort(smallest_key))
    firsts, counts = segments.starts, segments.ends - segments.starts
    head, middle = order.firsts, smallest_at[order.firsts]
    # The first segment of a ring is cut in two; its front part comes last.
    rings = np.arange(len(order))
    ends = order.starts + order.counts
    all_firsts = np.insert(firsts[order.nodes], ends, firsts[head])
    all_counts = np.insert(counts[order.nodes], ends, middle - firsts[head])
    begins = order.starts + rings
    all_firsts[begins] = middle
    all_counts[begins] = segments.ends[head] - middle
    return RingRanges(all_firsts, all_counts, np.append(begins, all_firsts.size))


def split_rings(
    edges: NDArray[np.int32], bounds: Places, pairs: tuple[Pairs, Pairs], num_columns: int
) -> RingRanges:
    """Split rings that are in memory where they touch themselves.

    Args:
        edges: Edges ``(n, 4)`` of the rings, ring after ring.
        bounds: Where each ring begins among the edges, and their number.
        pairs: Edges of one ring that begin, and that end, at one vertex.
        num_columns: Lattice columns.
    """
    segments = cut_segments(bounds, *pairs)
    if segments.starts.size == 0:
        return RingRanges(bounds[:0], bounds[:0], np.zeros(1, np.intp))
    keys = keys_of(edges, num_columns)
    smallest = np.minimum.reduceat(keys, segments.starts)
    hits = np.flatnonzero(keys == np.repeat(smallest, segments.ends - segments.starts))
    return join_segments(segments, smallest, hits[np.searchsorted(hits, segments.starts)])


def find_pairs(edges: Places, vertices: NDArray[np.int64], rings: Places) -> Pairs:
    """Return the pairs of edges of one ring at one vertex; no ring is there more than twice.

    Args:
        edges: Numbers of edges.
        vertices: The vertex of each.
        rings: The ring of each.
    """
    order = np.lexsort((vertices, rings))
    is_pair = np.diff(vertices[order]) == 0
    is_pair &= np.diff(rings[order]) == 0
    first = np.flatnonzero(is_pair)
    return np.stack([edges[order[first]], edges[order[first + 1]]], axis=1)


def concatenate_ranges(starts: Places, counts: Places) -> Places:
    """Return ``start, start + 1, ...`` for each start, as many as its count."""
    ends = np.cumsum(counts)
    shift: Places = np.repeat(starts - (ends - counts), counts)
    return np.arange(shift.size) + shift


def _follow(edges: Places, bounds: Places) -> Places:
    """Return the edges that come next on their rings."""
    after = edges + 1
    ring_end = np.searchsorted(bounds, after)
    return np.where(bounds[ring_end] == after, bounds[ring_end - 1], after)


def _exchange(edges: Places, pairs: Pairs) -> Places:
    """Return the partner of each edge that is in a pair, and the others as they are."""
    known = pairs.reshape(-1)
    if known.size == 0:
        return edges
    partner = pairs[:, ::-1].reshape(-1)
    order = np.argsort(known)
    at = np.minimum(np.searchsorted(known, edges, sorter=order), known.size - 1)
    return np.where(known[order[at]] == edges, partner[order[at]], edges)
