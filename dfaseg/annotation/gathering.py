"""Chains gathered into regions, and the rings that a strip closes sorted by region."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation.rings import concatenate_ranges, keys_of
from dfaseg.annotation.strip import Strip
from dfaseg.annotation.tracing import Chains
from dfaseg.annotation.unfinished import Unfinished
from dfaseg.native.trace import connect


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
class ParkedRings:
    """Rings that wait for their region: closed by a strip above, or joined to chains from there."""

    region: NDArray[np.intp]
    header: NDArray[np.int32]
    """As in ``RingTable``."""
    edges: NDArray[np.int32]
    """Edges ``(m, 4)``, ring after ring."""

    @classmethod
    def none(cls) -> Self:
        """Return no rings."""
        nothing = np.empty((0, 4), np.int32)
        return cls(np.empty(0, np.intp), nothing, nothing)


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
    num_held: int
    """Rings of finished regions, which stay in memory; the others, from here on, are parked."""

    @property
    def counts(self) -> NDArray[np.int32]:
        """Edges of each ring."""
        return self.header[:, 3]

    @property
    def num_held_edges(self) -> int:
        """Edges of the rings that stay in memory."""
        return int(self.counts[: self.num_held].sum())


def gather(chains: Chains, unfinished: Unfinished, strip: Strip) -> Gathering:
    """Find the regions that the chains bound.

    Args:
        chains: The chains of the strip.
        unfinished: What the strips above have left open.
        strip: The rows.
    """
    num_chains, regions = len(chains.order), unfinished.regions
    of_frontier = chains.of_node[: chains.num_frontier]
    joins = np.stack([of_frontier, unfinished.region_of_frontier + num_chains], axis=1)
    pairs = np.concatenate([chains.contacts, joins], dtype=np.int32, casting="same_kind")
    count, part = connect(num_chains + len(regions), pairs)
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
    # Regions from above begin outside the strip; their class is known.
    class_index = strip.classes_at(first_key)
    class_index[of_open] = regions.class_index
    num_finished = count - int(is_open.sum())
    return Gathering(of_chain, of_open, num_finished, class_index, num_pixels[order], first_key)


def tabulate_rings(
    chains: Chains,
    gathering: Gathering,
    others: Sequence[ParkedRings],
    is_parked: NDArray[np.bool_],
    num_columns: int,
) -> RingTable:
    """List the rings that a strip has closed, and others of its regions.

    Args:
        chains: The chains of the strip.
        gathering: Their regions.
        others: Rings with parts in strips above.
        is_parked: Which regions' holes do not stay in memory.
        num_columns: Lattice columns, one more than the mask has pixels.
    """
    chain_here = chains.of_node[chains.rings.firsts]
    here = np.flatnonzero(chains.is_ring[chain_here])
    chain = chain_here[here]
    row, x = np.divmod(chains.first_key[chain], num_columns)
    columns = [chains.last_line[chain], row, x, chains.rings.counts[here]]
    header_here = np.stack(columns, axis=1, dtype=np.int32, casting="unsafe")

    edges = np.concatenate([chains.edges, *(other.edges for other in others)])
    header = np.concatenate([header_here, *(other.header for other in others)])
    region = np.concatenate([gathering.of_chain[chain], *(other.region for other in others)])
    num_others = len(edges) - len(chains.edges)
    nodes = np.concatenate([chains.rings.nodes, np.arange(len(chains.edges), len(edges))])
    counts = header[:, 3]
    sizes = counts[here.size :]
    ends = np.cumsum(sizes) + (nodes.size - num_others)
    starts = np.concatenate([chains.rings.starts[here], ends - sizes])

    own_key = keys_of(edges.take(nodes[starts], axis=0), num_columns)
    is_hole = own_key != gathering.first_key[region]
    is_away = is_parked[region] & (is_hole | (region >= gathering.num_finished))
    order = _sort_rings(is_away, region, is_hole, header, own_key)
    members = nodes.take(concatenate_ranges(starts[order], counts[order]))
    num_held = order.size - int(is_away.sum())
    return RingTable(region[order], header[order], edges.take(members, axis=0), num_held)


def _sort_rings(
    is_away: NDArray[np.bool_],
    region: NDArray[np.intp],
    is_hole: NDArray[np.bool_],
    header: NDArray[np.int32],
    own_key: NDArray[np.int64],
) -> NDArray[np.intp]:
    """Return the order of ``RingTable``; rings that stay in memory come first."""
    place = (is_away * np.intp(region.max(initial=0) + 1) + region) * 2 + is_hole
    order = np.argsort(place, kind="stable")
    # Most regions have no holes to tell apart.
    is_same = np.diff(place[order]) == 0
    tied = np.flatnonzero(np.append(is_same, False) | np.append(False, is_same))
    rings = order[tied]
    last_line, row, x, _ = header[rings].T
    order[tied] = rings[np.lexsort((own_key[rings], x, row, last_line, place[rings]))]
    return order
