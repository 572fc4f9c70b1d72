"""One strip of mask rows turned into chains, and which chains bound the same region."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation.chains import Frontier, Order, order_nodes
from dfaseg.annotation.rings import Pairs, Places, split_rings
from dfaseg.annotation.strip import Strip
from dfaseg.native.trace import OPEN, find_edges

_NO_KEY = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Chains:
    """The chains of a strip, and what each adds to its region.

    Nodes are the frontier's chains, then the strip's edges. A vertex's *key* is
    ``y * (width + 1) + x``.
    """

    num_frontier: int
    edges: NDArray[np.int32]
    """By node ``(n, 4)``: begin_x, y, end_x, y in mask px; y is -1 for the frontier's chains."""
    order: Order
    of_node: NDArray[np.int32]
    """The chain of each node."""
    is_open: NDArray[np.bool_]
    """The chain runs out of the strip."""
    is_old: NDArray[np.bool_]
    """The chain holds a chain of the frontier."""
    frontier: Frontier
    """Ends of the open chains."""
    area: NDArray[np.int64]
    """Share of the region's signed area."""
    first_key: NDArray[np.int64]
    """Smallest key of the vertices that this strip adds."""
    last_line: NDArray[np.int32]
    """Largest y of the vertices that this strip adds."""
    touching: tuple[Places, Places]
    """Edges whose begin, and edges whose end, may be a vertex that their ring passes twice."""
    contacts: NDArray[np.int32]
    """Pairs of chains of one region, ``(m, 2)``; they lead from each hole to its exterior."""
    rings: Order
    """The same nodes, but the chains closed in this strip are split where they touch themselves;
    the rings that result begin with their topmost, then leftmost edge."""

    @property
    def is_ring(self) -> NDArray[np.bool_]:
        """The chain was begun and closed in this strip."""
        return ~(self.is_open | self.is_old)


def trace_strip(strip: Strip, frontier: Frontier) -> Chains:
    """Trace the borders on the lines between rows.

    Args:
        strip: Some rows, not only glass.
        frontier: Chains that come from the strips above.
    """
    num_frontier = len(frontier)
    chains = np.arange(num_frontier, dtype=np.int32)
    down, up = (np.full(strip.columns.size, OPEN, np.int32) for _ in range(2))
    down[strip.pixels[frontier.tail_x]] = up[strip.pixels[frontier.head_x]] = chains
    found = find_edges(strip.padded, strip.columns, strip.first_line, down, up)
    # What is left in a column runs out of the strip there.
    tail_columns, head_columns = np.flatnonzero(down != OPEN), np.flatnonzero(up != OPEN)
    starters = np.concatenate([up[head_columns], chains, np.flatnonzero(found.is_top)])
    order, of_node = order_nodes(found.following, starters)
    # Heads come first among the starters, so the chain of each has its number.
    num_open = head_columns.size
    is_open = np.arange(len(order)) < num_open
    tail_x = np.empty(num_open, np.intp)
    tail_x[of_node[down[tail_columns]]] = strip.columns[tail_columns]
    is_old = np.zeros(len(order), bool)
    is_old[of_node[:num_frontier]] = True
    area, first_key, last_line = _measure(found.edges, order, strip.num_columns, num_frontier)
    touching = found.same_begin.astype(np.intp), found.same_end.astype(np.intp)
    is_ring = ~(is_open | is_old)
    return Chains(
        num_frontier=num_frontier,
        edges=found.edges,
        order=order,
        of_node=of_node,
        is_open=is_open,
        is_old=is_old,
        frontier=Frontier(strip.columns[head_columns].astype(np.intp), tail_x),
        area=area,
        first_key=first_key,
        last_line=last_line,
        touching=(touching[0].reshape(-1), touching[1].reshape(-1)),
        contacts=of_node[found.contacts],
        rings=_split_closed(found.edges, order, of_node, is_ring, touching, strip.num_columns),
    )


def _measure(
    edges: NDArray[np.int32], order: Order, num_columns: int, num_frontier: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """Return signed area, smallest key and last line of each chain.

    Args:
        edges: Edges by node; rows of the frontier's chains add nothing.
        order: The chains.
        num_columns: Lattice columns, one more than the mask has pixels.
        num_frontier: Nodes that are chains of the frontier.
    """
    if len(order) == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int32)
    begin_x, y, end_x, _ = edges.take(order.nodes, axis=0).T
    wide_y = y.astype(np.int64)
    area = wide_y * (begin_x - end_x)
    key = wide_y * num_columns + np.minimum(begin_x, end_x)
    if num_frontier:
        key[order.nodes < num_frontier] = _NO_KEY
    return (
        np.add.reduceat(area, order.starts),
        np.minimum.reduceat(key, order.starts),
        np.maximum.reduceat(y, order.starts),
    )


def _split_closed(
    edges: NDArray[np.int32],
    order: Order,
    of_node: NDArray[np.int32],
    is_ring: NDArray[np.bool_],
    touching: tuple[Pairs, Pairs],
    num_columns: int,
) -> Order:
    """Split the chains closed in this strip where they touch themselves; these come last.

    Chains with parts in other strips are left whole: all their vertices are needed.
    """
    is_split = np.zeros(len(order), bool)
    inside: list[Pairs] = []
    for pairs in touching:
        chains = of_node[pairs]
        is_own = (chains[:, 0] == chains[:, 1]) & is_ring[chains[:, 0]]
        is_split[chains[is_own, 0]] = True
        inside.append(pairs[is_own])
    if not is_split.any():
        return order
    is_moved = np.repeat(is_split, order.counts)
    moved = order.nodes.compress(is_moved)
    number = np.empty(of_node.size, np.intp)
    number[moved] = np.arange(moved.size)
    bounds = np.append(0, np.cumsum(order.counts[is_split]))
    begin_pairs, end_pairs = (number[pairs] for pairs in inside)
    rings = split_rings(
        edges.take(moved, axis=0), bounds, (begin_pairs, end_pairs), num_columns
    ).order()
    counts = order.counts[~is_split]
    starts = np.concatenate([np.cumsum(counts) - counts, rings.starts + int(counts.sum())])
    return Order(np.concatenate([order.nodes.compress(~is_moved), moved.take(rings.nodes)]), starts)
