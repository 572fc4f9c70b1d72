"""Chains of edges: the rings of a strip and the open pieces that run out of it.

A node of a chain is one horizontal edge, or a whole open chain of the strips above.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfaseg.native import trace


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


def order_nodes(
    following: NDArray[np.int32], starters: NDArray[np.intp]
) -> tuple[Order, NDArray[np.int32]]:
    """List the nodes chain by chain; return the chain of each node as well.

    See ``native.trace.order_nodes``.
    """
    nodes, starts, chain_of_node = trace.order_nodes(following, starters)
    return Order(nodes, starts), chain_of_node
