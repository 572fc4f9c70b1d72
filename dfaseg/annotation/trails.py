"""Chains that span strips, kept in the spool: their edges, and lists of where these lie.

The spool holds two kinds of record for a chain: edges, marked where the chain may touch itself,
and the items of its *trail*. An item is a run of edges, or the whole trail of a chain of the strips
above that has become part of this one. So each strip adds to the trails what it has seen itself,
and neither memory nor time depends on how far up its chains begin.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation.spool import Piece, Spool
from dfaseg.annotation.tracing import Chains

BLOCK_EDGES = 1 << 14
"""Edges of a long chain read at a time."""

_BEGIN_MARK, _END_MARK = 1 << 29, 1 << 30
"""Added to the second y of an edge whose begin or end its ring may pass twice."""
_MARKS = (_BEGIN_MARK, _END_MARK)
_IS_TRAIL = 1

Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Trails:
    """Where the edges of chains lie, one entry per chain."""

    first: NDArray[np.int64]
    """The first item in the spool."""
    count: NDArray[np.int64]
    """Number of items."""
    num_edges: NDArray[np.int64]

    @classmethod
    def nothing(cls) -> Self:
        """Return the trails of no chains."""
        none = np.empty(0, np.int64)
        return cls(none, none, none)

    def of(self, chains: Places) -> "Trails":
        """Return the trails of some chains."""
        return Trails(self.first[chains], self.count[chains], self.num_edges[chains])

    def pieces(self, chain: int, spool: Spool) -> Iterator[Piece]:
        """Yield where the edges of one chain lie, in its order."""
        open_lists = [iter(spool.read([(int(self.first[chain]), int(self.count[chain]))]).tolist())]
        while open_lists:
            for first, count, kind, _ in open_lists[-1]:
                if kind == _IS_TRAIL:
                    open_lists.append(iter(spool.read([(first, count)]).tolist()))
                    break
                yield first, count
            else:
                open_lists.pop()

    def edges(self, chains: Places, spool: Spool) -> NDArray[np.int32]:
        """Return the marked edges of some chains, ``(n, 4)``, one chain after another."""
        items = spool.fetch(self.first[chains], self.count[chains])
        while (is_trail := items[:, 2] == _IS_TRAIL).any():
            # Each trail gives way to its own items.
            sizes = np.where(is_trail, items[:, 1], 1)
            inner = spool.fetch(*_pieces_of(items[is_trail]))
            items = np.repeat(items, sizes, axis=0)
            items[np.repeat(is_trail, sizes)] = inner
        return spool.fetch(*_pieces_of(items))

    def blocks(self, chain: int, spool: Spool) -> Iterator[NDArray[np.int32]]:
        """Yield the marked edges of one chain, ``(n, 4)``, in blocks of bounded size."""
        return read_blocks(self.pieces(chain, spool), spool)


def _pieces_of(items: NDArray[np.int32]) -> tuple[Places, Places]:
    """Return the first record and the number of records of each item."""
    return items[:, 0].astype(np.intp), items[:, 1].astype(np.intp)


def read_blocks(pieces: Iterator[Piece], spool: Spool) -> Iterator[NDArray[np.int32]]:
    """Yield the records of some pieces, one after another, ``BLOCK_EDGES`` or fewer at a time."""
    group: list[Piece] = []
    room = BLOCK_EDGES
    for piece in pieces:
        first, count = piece
        while count:
            taken = min(count, room)
            group.append((first, taken))
            first, count, room = first + taken, count - taken, room - taken
            if room == 0:
                yield spool.read(group)
                group, room = [], BLOCK_EDGES
    if group:
        yield spool.read(group)


def park_chains(chains: Chains, above: Trails, spool: Spool) -> Trails:
    """Write the strip's edges of all chains that span strips, and their trails.

    Args:
        chains: The chains of the strip.
        above: Trails of the frontier's chains.
        spool: Where to write.

    Returns:
        Trails of all chains; those of rings of this strip are empty.
    """
    order, num_frontier = chains.order, chains.num_frontier
    chain = np.repeat(np.arange(len(order)), order.counts)
    is_kept = np.repeat(~chains.is_ring, order.counts)
    node, chain = order.nodes.compress(is_kept), chain.compress(is_kept)
    is_old = node < num_frontier
    new_edges = spool.append(_mark_edges(chains, node[~is_old]))

    begins = is_old.copy()
    begins[1:] |= is_old[:-1]
    begins |= np.diff(chain, prepend=-1) != 0
    starts = np.flatnonzero(begins)
    items = np.zeros((starts.size, 4), np.int32)
    items[:, 0] = (new_edges + np.cumsum(~is_old) - ~is_old)[starts]
    items[:, 1] = np.diff(starts, append=node.size)
    num_edges = items[:, 1].astype(np.int64)
    old, old_node = is_old[starts], node[starts[is_old[starts]]]
    items[old, 0], items[old, 1] = above.first[old_node], above.count[old_node]
    items[old, 2] = _IS_TRAIL
    num_edges[old] = above.num_edges[old_node]
    return _write_trails(items, num_edges, chain[starts], len(order), spool)


def _write_trails(
    items: NDArray[np.int32],
    num_edges: NDArray[np.int64],
    of_item: Places,
    num_chains: int,
    spool: Spool,
) -> Trails:
    """Write items, chain after chain, but those of chains that only go on."""
    count = np.bincount(of_item, minlength=num_chains)
    is_same = (items[:, 2] == _IS_TRAIL) & (count[of_item] == 1)
    first = np.zeros(num_chains, np.int64)
    first[of_item[is_same]] = items[is_same, 0]
    written = of_item[~is_same]
    begin = spool.append(items[~is_same])
    starts = np.flatnonzero(np.diff(written, prepend=-1))
    first[written[starts]] = begin + starts
    total = np.zeros(num_chains, np.int64)
    np.add.at(total, of_item, num_edges)
    count[of_item[is_same]] = items[is_same, 1]
    return Trails(first, count.astype(np.int64), total)


def _mark_edges(chains: Chains, nodes: Places) -> NDArray[np.int32]:
    """Return the edges of some nodes as the spool holds them, ``(n, 4)``."""
    edges = chains.edges.take(nodes, axis=0)
    marks = np.zeros(len(chains.edges), np.int32)
    for touched, mark in zip(chains.touching, _MARKS, strict=True):
        marks[touched] |= mark
    edges[:, 3] |= marks.take(nodes)
    return edges


def unmark_edges(edges: NDArray[np.int32]) -> tuple[Places, Places]:
    """Take the marks off, in place; return the edges marked at their begin and at their end."""
    marked = np.flatnonzero(edges[:, 3] != edges[:, 1])
    marks = edges[marked, 3]
    edges[:, 3] = edges[:, 1]
    at_begin, at_end = (marked[(marks & mark) != 0] for mark in _MARKS)
    return at_begin, at_end
