"""Chains that span strips, read back from the spool once they are closed."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation.gathering import Gathering, ParkedRings
from dfaseg.annotation.rings import Places, find_pairs, keys_of, split_rings
from dfaseg.annotation.spool import Piece, Spool
from dfaseg.annotation.tracing import Chains

_BEGIN_MARK, _END_MARK = 1 << 29, 1 << 30
"""Added to the second y of an edge whose begin or end its ring may pass twice."""
_MARKS = (_BEGIN_MARK, _END_MARK)


def marked_edges(chains: Chains, nodes: Places) -> NDArray[np.int32]:
    """Return the edges of some nodes as the spool holds them, ``(n, 4)``."""
    edges = chains.edges.take(nodes, axis=0)
    marks = np.zeros(len(chains.edges), np.int32)
    for touched, mark in zip(chains.touching, _MARKS, strict=True):
        marks[touched] |= mark
    edges[:, 3] |= marks[nodes]
    return edges


def unmark_edges(edges: NDArray[np.int32]) -> tuple[Places, Places]:
    """Take the marks off, in place; return the edges marked at their begin and at their end."""
    marked = np.flatnonzero(edges[:, 3] != edges[:, 1])
    marks = edges[marked, 3]
    edges[:, 3] = edges[:, 1]
    at_begin, at_end = (marked[(marks & mark) != 0] for mark in _MARKS)
    return at_begin, at_end


def join_chains(
    closed: Sequence[int],
    pieces: Sequence[Sequence[Piece]],
    gathering: Gathering,
    spool: Spool,
    num_columns: int,
) -> ParkedRings:
    """Read closed chains and split them into simple rings.

    Args:
        closed: Numbers of the chains.
        pieces: Where the edges of each lie.
        gathering: Their regions.
        spool: Where to read.
        num_columns: Lattice columns, one more than the mask has pixels.
    """
    if not closed:
        return ParkedRings.none()
    sizes = np.array([sum(count for _, count in places) for places in pieces], np.intp)
    bounds = np.append(0, np.cumsum(sizes))
    edges = spool.read([piece for places in pieces for piece in places])
    pairs = []
    for marked, corner in zip(unmark_edges(edges), (edges[:, :2], edges[:, 2:]), strict=True):
        vertices = corner[marked, 1] * np.int64(num_columns) + corner[marked, 0]
        rings = np.searchsorted(bounds, marked, side="right")
        pairs.append(find_pairs(marked, vertices, rings))
    order = split_rings(edges, bounds, (pairs[0], pairs[1]), num_columns).order()
    whole = np.searchsorted(bounds, order.firsts, side="right") - 1
    last_line = np.maximum.reduceat(edges[:, 1], bounds[:-1])
    first_key = np.minimum.reduceat(keys_of(edges, num_columns), bounds[:-1])
    row, x = np.divmod(first_key, num_columns)
    columns = [last_line[whole], row[whole], x[whole], order.counts]
    return ParkedRings(
        gathering.of_chain[np.array(closed, np.intp)[whole]],
        np.stack(columns, axis=1, dtype=np.int32, casting="unsafe"),
        edges.take(order.nodes, axis=0),
    )
