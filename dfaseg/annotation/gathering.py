"""Chains gathered into regions, and the rings that a strip closes sorted by region."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from dfaseg.annotation.rings import split_rings
from dfaseg.annotation.tracing import Chains
from dfaseg.annotation.unfinished import Unfinished


@dataclass(frozen=True, slots=True)
class Gathering:
    """The regions of a strip's chains, numbered in order of output, finished ones first."""

    of_chain: NDArray[np.intp]
    of_open: NDArray[np.intp]
    """The region that each open region of the strips above has become part of."""
    num_finished: int
    class_index: NDArray[np.uint8]
    num_pixels: NDArray[np.int64]
    first_key: NDArray[np.int64]

    def __len__(self) -> int:
        return self.first_key.size


@dataclass(frozen=True, slots=True)
class RingTable:
    """Simple rings sorted by region; exteriors first, then holes in order.

    Holes are in the order of last line and first vertex of the ring before it was split, then of
    their own first vertex, so the order does not depend on how the mask was cut into strips.
    """

    region: NDArray[np.intp]
    header: NDArray[np.int32]
    """``(n, 4)``: last line, then y and x of the first vertex, of the ring before it was split;
    number of edges."""
    edges: NDArray[np.int32]
    """Edges ``(m, 4)``, ring after ring."""

    @property
    def counts(self) -> NDArray[np.int32]:
        """Edges of each ring."""
        return self.header[:, 3]


def gather(
    chains: Chains, unfinished: Unfinished, padded: NDArray[np.uint8], first_line: int
) -> Gathering:
    """Find the regions that the chains bound.

    Args:
        chains: The chains of the strip.
        unfinished: What the strips above have left open.
        padded: The strip's rows, as ``trace_strip`` takes them.
        first_line: The y of the line between the first two rows.
    """
    num_chains, regions = len(chains.order), unfinished.regions
    of_frontier = chains.of_node[: chains.num_frontier]
    joins = np.stack([of_frontier, unfinished.region_of_frontier + num_chains], axis=1)
    count, part = _connect(num_chains + len(regions), np.concatenate([chains.contacts, joins]))
    num_pixels = np.zeros(count, np.int64)
    np.add.at(num_pixels, part, np.concatenate([chains.area, regions.num_pixels]))
    first_key = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(first_key, part, np.concatenate([chains.first_key, regions.first_key]))
    last_line = np.zeros(count, np.int32)
    np.maximum.at(last_line, part[:num_chains], chains.last_line)
    is_open = np.zeros(count, bool)
    is_open[part[:num_chains][chains.is_open]] = True
    order = np.lexsort((first_key, last_line, is_open))
    rank = np.empty_like(order)
    rank[order] = np.arange(count)
    first_key = first_key[order]
    of_chain, of_open = rank[part[:num_chains]], rank[part[num_chains:]]
    row, x = np.divmod(first_key, padded.shape[1] - 1)
    # Regions from above begin outside the strip; their class is known.
    class_index = padded[np.maximum(row - first_line + 1, 0), x + 1]
    class_index[of_open] = regions.class_index
    num_finished = count - int(is_open.sum())
    return Gathering(of_chain, of_open, num_finished, class_index, num_pixels[order], first_key)


def tabulate_rings(
    chains: Chains,
    gathering: Gathering,
    joined: Mapping[int, NDArray[np.int32]],
    num_columns: int,
) -> RingTable:
    """List the rings that a strip has closed.

    Args:
        chains: The chains of the strip.
        gathering: Their regions.
        joined: All edges ``(n, 4)`` of each closed chain with parts in strips above.
        num_columns: Lattice columns, one more than the mask has pixels.
    """
    edges = np.concatenate([chains.edges, *joined.values()])
    lengths = np.array([len(ring) for ring in joined.values()], np.intp)
    parts = split_rings(edges[len(chains.edges) :], lengths)
    of_joined = np.repeat(np.array(list(joined), np.intp), lengths)
    chain_here = chains.of_node[chains.rings.firsts]
    here = np.flatnonzero(chains.is_ring[chain_here])
    chain = np.concatenate([chain_here[here], of_joined[parts.firsts]])
    nodes = np.concatenate([chains.rings.nodes, parts.nodes + len(chains.edges)])
    starts = np.concatenate([chains.rings.starts[here], parts.starts + chains.rings.nodes.size])
    counts = np.concatenate([chains.rings.counts[here], parts.counts])

    last_line, first_key = chains.last_line.copy(), chains.first_key.copy()
    for number, ring in joined.items():
        y, left = ring[:, 1].astype(np.int64), np.minimum(ring[:, 0], ring[:, 2])
        last_line[number], first_key[number] = y.max(), (y * num_columns + left).min()
    region, ring_key = gathering.of_chain[chain], first_key[chain]
    first = edges.take(nodes[starts], axis=0)
    own_key = first[:, 1] * np.int64(num_columns) + np.minimum(first[:, 0], first[:, 2])
    is_hole = own_key != gathering.first_key[region]
    order = np.lexsort((own_key, ring_key, last_line[chain], is_hole, region))
    row, x = np.divmod(ring_key, num_columns)
    header = np.stack([last_line[chain], row, x, counts], axis=1, dtype=np.int32, casting="unsafe")
    members = nodes[_concatenate_ranges(starts[order], counts[order])]
    return RingTable(region[order], header[order], edges.take(members, axis=0))


def _connect(num_nodes: int, pairs: NDArray[np.intp]) -> tuple[int, NDArray[np.intp]]:
    """Return the number of connected parts and the part of each node."""
    ones = np.ones(len(pairs))
    graph = coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(num_nodes, num_nodes))
    count, part = connected_components(graph, directed=False)
    return int(count), part.astype(np.intp)


def _concatenate_ranges(starts: NDArray[np.intp], counts: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return ``start, start + 1, ...`` for each start, as many as its count."""
    ends = np.cumsum(counts)
    shift: NDArray[np.intp] = np.repeat(starts - (ends - counts), counts)
    return np.arange(shift.size) + shift
