"""Borders of the regions in a strip of mask rows, and what their edges form, in linear time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfaseg.native.library import load

OPEN = -1
"""Stands for the node after the last one of a chain that has an end."""
_MOST_NODES = np.iinfo(np.int32).max
_LANES = 8
_IGNORED = 255

Pairs = NDArray[np.int32]
"""Pairs of nodes, ``(m, 2)``."""


@dataclass(frozen=True, slots=True, eq=False)
class FoundEdges:
    """Nodes of a strip: chains that come from the strips above, then the strip's horizontal edges.

    Edges are in the order of their left ends, row by row; where two begin at one vertex, the one
    with its region below comes first.
    """

    edges: NDArray[np.int32]
    """By node ``(n, 4)``: begin_x, y, end_x, y in mask px; (0, -1, 0, -1) for chains from above."""
    following: NDArray[np.int32]
    """The next node of each, or ``OPEN``."""
    is_top: NDArray[np.bool_]
    """Which are edges whose border runs down from both ends; each ring has one."""
    same_begin: Pairs
    """Edges of one class that begin at one vertex, where pixels of theirs meet diagonally."""
    same_end: Pairs
    """Likewise, edges that end at one vertex."""
    contacts: Pairs
    """Tops with their region above, among them those of all holes, and a node of the border that
    is on the left of the same run of pixels."""


def find_edges(
    pixels: NDArray[np.uint8],
    columns: NDArray[np.int32],
    first_line: int,
    down: NDArray[np.int32],
    up: NDArray[np.int32],
) -> FoundEdges:
    """Find the borders on the lines between rows, each region's on the right of who walks it.

    Regions are 4-connected; pixels of 255 belong to none. Python's lock is not held meanwhile.

    Args:
        pixels: Rows ``(h, w)``, h and w at least 2; the first and the last column are 255.
        columns: The mask's lattice column along the right-hand side of each pixel, ``(w,)``.
        first_line: The y of the line between the first two rows.
        down: The chain from above, numbered from 0, that goes on down along the right-hand side
            of each pixel of the first row, or ``OPEN``, ``(w,)``. Changed to the nodes that go on
            so from the last row.
        up: Likewise, the chain that begins there, coming up.

    Raises:
        ValueError: The arrays do not fit together, or hold more than 2³¹ edges.
    """
    height, width = pixels.shape
    if (
        min(height, width) < 2
        or pixels.dtype != np.uint8
        or not pixels.flags.c_contiguous
        or not columns.shape == down.shape == up.shape == (width,)
        or not columns.dtype == down.dtype == up.dtype == np.int32
        or not all(array.flags.c_contiguous for array in (columns, down, up))
    ):
        raise ValueError(f"columns do not fit rows of shape {pixels.shape}")
    num_above = int(np.count_nonzero(down != OPEN))
    if not (pixels[:, [0, -1]] == _IGNORED).all() or max(down.max(), up.max()) >= num_above:
        raise ValueError("rows that do not begin and end with 255, or chains of other rows")
    library, count = load(), np.zeros(1, np.int64)
    scratch = np.empty(width + _LANES, np.uint8)
    library.dfaseg_count_edges(
        pixels.ctypes.data, height, width, scratch.ctypes.data, count.ctypes.data
    )
    num_edges = int(count[0])
    num_nodes = num_above + num_edges
    if num_nodes > _MOST_NODES:
        raise ValueError(f"{num_nodes} edges in one strip; trace fewer rows at a time")
    edges = np.empty((num_nodes, 4), np.int32)
    edges[:num_above] = (0, -1, 0, -1)
    following = np.empty(num_nodes, np.int32)
    following[:num_above] = OPEN
    is_top = np.zeros(num_nodes, np.bool_)
    found = [np.empty((num_edges, 2), np.int32) for _ in range(3)]
    counts = np.zeros(3, np.int64)
    library.dfaseg_find_edges(
        pixels.ctypes.data,
        height,
        width,
        columns.ctypes.data,
        first_line,
        num_above,
        down.ctypes.data,
        up.ctypes.data,
        edges.ctypes.data,
        following.ctypes.data,
        is_top.ctypes.data,
        *(pairs.ctypes.data for pairs in found),
        scratch.ctypes.data,
        counts.ctypes.data,
    )
    # Copied, so that room for more than there are is let go.
    pairs = (pairs[:number].copy() for pairs, number in zip(found, counts.tolist(), strict=True))
    return FoundEdges(edges, following, is_top, *pairs)


def order_nodes(
    following: NDArray[np.int32], starters: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.int32]]:
    """List nodes chain by chain. Python's lock is not held meanwhile.

    Args:
        following: Next node of each, or ``OPEN``; no node follows two.
        starters: Nodes that may begin a chain; of those in one chain, the first begins it. Every
            chain needs one, an open chain its head before all others.

    Returns:
        The nodes; where each chain begins among them; the chain of each node.

    Raises:
        ValueError: A number is not that of a node, or a chain has no starter.
    """
    num_nodes = following.size
    following, starters = np.ascontiguousarray(following), np.ascontiguousarray(starters)
    if following.dtype != np.int32 or starters.dtype != np.intp:
        raise ValueError(f"nodes of kind {following.dtype}, starters of kind {starters.dtype}")
    for numbers, least in ((following, OPEN), (starters, 0)):
        if numbers.size and not least <= numbers.min() <= numbers.max() < num_nodes:
            raise ValueError(f"nodes beyond the {num_nodes} that there are")
    nodes, starts = np.empty(num_nodes, np.intp), np.empty(num_nodes, np.intp)
    chain_of_node, num_chains = np.full(num_nodes, -1, np.int32), np.zeros(1, np.int64)
    load().dfaseg_order_nodes(
        following.ctypes.data,
        starters.ctypes.data,
        starters.size,
        nodes.ctypes.data,
        starts.ctypes.data,
        chain_of_node.ctypes.data,
        num_chains.ctypes.data,
    )
    if (chain_of_node < 0).any():
        raise ValueError("a chain that no starter is part of")
    return nodes, starts[: num_chains[0]].copy(), chain_of_node


def connect(num_nodes: int, pairs: Pairs) -> tuple[int, NDArray[np.int32]]:
    """Find which nodes are connected. Python's lock is not held meanwhile.

    Args:
        num_nodes: How many nodes there are.
        pairs: Nodes that belong together.

    Returns:
        The number of connected parts, and that of each node, in the order of their first nodes.

    Raises:
        ValueError: A number is not that of a node.
    """
    pairs = np.ascontiguousarray(pairs)
    if pairs.dtype != np.int32 or pairs.shape[1:] != (2,):
        raise ValueError(f"pairs of kind {pairs.dtype} and shape {pairs.shape}")
    if pairs.size and not 0 <= pairs.min() <= pairs.max() < num_nodes:
        raise ValueError(f"nodes beyond the {num_nodes} that there are")
    parts, count = np.empty(num_nodes, np.int32), np.zeros(1, np.int64)
    load().dfaseg_connect(
        pairs.ctypes.data, len(pairs), parts.ctypes.data, num_nodes, count.ctypes.data
    )
    return int(count[0]), parts
