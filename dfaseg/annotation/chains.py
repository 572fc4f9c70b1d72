"""Corners joined into chains: the rings of a strip and the open pieces that run out of it.

A node of a chain is one horizontal edge (two corners), or a whole open chain of the strips above.
On each line, the corners of one side (region above or below) come in pairs, left and right end of
an edge; in each column, those of one direction come in pairs, top and bottom of an edge. So both
links are a matter of sorting, and no border is ever followed pixel by pixel.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation.cracks import BELOW, UP, Corners
from dfaseg.classmap import IGNORE_INDEX
from dfaseg.late_module import LateModule

if TYPE_CHECKING:
    from scipy import sparse
    from scipy.sparse import csgraph
else:
    sparse, csgraph = LateModule("scipy.sparse"), LateModule("scipy.sparse.csgraph")

OPEN = -1


@dataclass(frozen=True, slots=True)
class Frontier:
    """Ends of the chains that run out of the rows seen so far, one entry per chain."""

    head_x: NDArray[np.intp]
    """Column in which the chain begins, coming up from below."""
    tail_x: NDArray[np.intp]
    """Column in which the chain goes on, running down."""

    def __len__(self) -> int:
        return self.head_x.size


@dataclass(frozen=True, slots=True)
class Edges:
    """The horizontal edges of a strip, first those with their region below, then above."""

    begin: NDArray[np.intp]
    """Corner at which each edge begins."""
    end: NDArray[np.intp]
    """Corner at which it ends."""
    of_corner: NDArray[np.int32]
    """The edge of each corner."""


@dataclass(frozen=True, slots=True)
class Links:
    """How nodes follow each other; nodes are the frontier's chains, then the edges."""

    following: NDArray[np.int32]
    """Next node of each, or ``OPEN``."""
    heads: NDArray[np.int32]
    """Nodes that a border enters from below the strip."""
    head_x: NDArray[np.intp]
    """Columns in which those borders enter."""
    tails: NDArray[np.int32]
    """Nodes that a border leaves to below the strip."""
    tail_x: NDArray[np.intp]
    """Columns in which those borders leave."""
    rising: NDArray[np.int32]
    """Nodes that upward vertical edges lead to, by column, then line."""
    rising_bounds: NDArray[np.intp]
    """``(columns + 1,)``: where each column begins in ``rising``."""


def pair_corners(corners: Corners) -> Edges:
    """Pair the corners of each line and side into horizontal edges."""
    is_below = (corners.kind & BELOW).view(bool)
    below, above = np.flatnonzero(is_below), np.flatnonzero(~is_below)
    begin = np.concatenate([below[0::2], above[1::2]])
    end = np.concatenate([below[1::2], above[0::2]])
    of_corner = np.empty(corners.x.size, np.int32)
    of_corner[begin] = of_corner[end] = np.arange(begin.size, dtype=np.int32)
    return Edges(begin, end, of_corner)


def link_edges(
    corners: Corners, edges: Edges, frontier: Frontier, last_row: NDArray[np.uint8]
) -> Links:
    """Link the nodes by pairing the corners of each column and direction.

    Args:
        corners: Corners of the strip.
        edges: The same, as horizontal edges.
        frontier: Chains that run into the strip from above.
        last_row: The strip's last row, padded; cracks in it run out of the strip.
    """
    columns, num_open = last_row.size, len(frontier)
    leaving_down, leaving_up = _leaving_columns(last_row)
    is_up = (corners.kind & UP) != 0
    # Downward columns are sorted before upward ones; in each, the strip's top comes first.
    keys = np.concatenate(
        [
            frontier.tail_x,
            frontier.head_x + columns,
            corners.x + is_up.astype(np.int32) * np.int32(columns),
            leaving_down,
            leaving_up + columns,
        ],
        dtype=np.int32,
    )
    chains = np.arange(num_open, dtype=np.int32)
    nothing = np.full(leaving_down.size + leaving_up.size, OPEN, np.int32)
    nodes, bounds = _deal(
        keys,
        np.concatenate([chains, chains, edges.of_corner + np.int32(num_open), nothing]),
        2 * columns,
    )
    middle = int(bounds[columns])
    down_top, down_bottom = nodes[:middle:2], nodes[1:middle:2]
    up_top, up_bottom = nodes[middle::2], nodes[middle + 1 :: 2]
    # One entry too many takes what is written for upward edges without a bottom.
    following = np.full(num_open + edges.begin.size + 1, OPEN, np.int32)
    following[down_top] = down_bottom
    following[up_bottom] = up_top
    return Links(
        following=following[:-1],
        heads=up_top[up_bottom == OPEN],
        head_x=leaving_up,
        tails=down_top[down_bottom == OPEN],
        tail_x=leaving_down,
        rising=up_top,
        rising_bounds=(bounds[columns:] - middle) // 2,
    )


def _leaving_columns(last_row: NDArray[np.uint8]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the columns in which analysed regions' borders leave downwards and come up."""
    left, right = last_row[:-1], last_row[1:]
    cracks = left != right
    down = np.flatnonzero(cracks & (left != IGNORE_INDEX))
    up = np.flatnonzero(cracks & (right != IGNORE_INDEX))
    return down, up


def _deal(
    keys: NDArray[np.int32], values: NDArray[np.int32], num_keys: int
) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
    """Sort values stably by small keys, in linear time: transposing a sparse row does that.

    Returns:
        The values, and where those of each key begin, ``(num_keys + 1,)``.
    """
    # Indices of 32 bits throughout: SciPy would make all of them as wide as the widest.
    bounds = np.array([0, keys.size], np.int32)
    row = sparse.csr_array((values, keys, bounds), shape=(1, num_keys))
    columns = row.tocsc()
    return columns.data, columns.indptr.astype(np.intp)


@dataclass(frozen=True, slots=True)
class Order:
    """Nodes listed chain by chain."""

    nodes: NDArray[np.intp]
    starts: NDArray[np.intp]
    """Where each chain begins in ``nodes``."""

    def __len__(self) -> int:
        return self.starts.size

    @property
    def firsts(self) -> NDArray[np.intp]:
        """The first node of each chain."""
        return self.nodes[self.starts]

    @property
    def counts(self) -> NDArray[np.intp]:
        """Nodes of each chain."""
        return np.diff(self.starts, append=self.nodes.size)

    def chain_of_node(self) -> NDArray[np.int32]:
        """Return the number of the chain that holds each node."""
        chains = np.empty(self.nodes.size, np.int32)
        chains[self.nodes] = np.repeat(np.arange(len(self), dtype=np.int32), self.counts)
        return chains


def order_nodes(following: NDArray[np.int32], starters: NDArray[np.intp]) -> Order:
    """List the nodes chain by chain in linear time.

    Args:
        following: Next node of each, or ``OPEN``; no node follows two.
        starters: Nodes that may begin a chain; of those in one chain, the first begins it. Every
            chain needs one, an open chain its head before all others.
    """
    num_nodes, num_starters = following.size, starters.size
    if num_nodes == 0:
        return Order(np.empty(0, np.intp), np.empty(0, np.intp))
    # A spine of one more node per starter leads first to the starter, then to the spine's next:
    # depth first, a chain is walked to its end before the next starter has its turn.
    goes_on = following != OPEN
    indptr = np.zeros(num_nodes + num_starters + 1, np.int32)
    np.cumsum(goes_on, out=indptr[1 : num_nodes + 1])
    indptr[num_nodes + 1 :] = indptr[num_nodes] + 2 * np.arange(1, num_starters + 1)
    indptr[-1] -= 1
    spine = np.empty(2 * num_starters, np.int32)
    spine[0::2] = starters
    spine[1::2] = np.arange(num_nodes + 1, num_nodes + num_starters + 1)
    indices = np.concatenate([following.compress(goes_on), spine[:-1]])
    size = num_nodes + num_starters
    # Nobody asks for the weights, so one stands for all.
    weights = np.broadcast_to(np.float64(1), indices.size)
    graph = sparse.csr_array((weights, indices, indptr), shape=(size, size))
    visited = csgraph.depth_first_order(graph, num_nodes, return_predecessors=False)
    is_node = visited < num_nodes
    begins = np.flatnonzero(is_node[1:] & ~is_node[:-1]) + 1
    # Those before a chain's first node that are not of the spine are its place.
    starts = np.cumsum(is_node, dtype=np.int32).take(begins - 1).astype(np.intp)
    return Order(visited.compress(is_node).astype(np.intp), starts)
