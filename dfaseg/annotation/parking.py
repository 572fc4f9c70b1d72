"""Borders of unfinished regions put into the spool until their region is finished."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from dfaseg.annotation.gathering import Gathering, ParkedRings, RingTable
from dfaseg.annotation.joining import marked_edges
from dfaseg.annotation.spool import Piece, Spool
from dfaseg.annotation.tracing import Chains
from dfaseg.annotation.unfinished import Batch, OpenRegions, Unfinished

_FEW_EDGES = 1 << 12
"""Regions with more in the spool are written from there, ring by ring."""
_MOST_FETCHED = 1 << 16
"""Edges fetched at a time; bounds the memory for them."""


def park_chains(
    chains: Chains, pieces_above: Sequence[list[Piece]], spool: Spool
) -> dict[int, list[Piece]]:
    """Write the strip's edges of all chains that span strips.

    Args:
        chains: The chains of the strip.
        pieces_above: Where the edges of each of the frontier's chains lie.
        spool: Where to write.

    Returns:
        Where all edges of each such chain lie, in the chain's order.
    """
    order, num_frontier = chains.order, chains.num_frontier
    spans = ~chains.is_ring
    is_new = np.repeat(spans, order.counts) & (order.nodes >= num_frontier)
    first = spool.append(marked_edges(chains, order.nodes[is_new]))
    place = first + np.cumsum(is_new) - is_new
    old_at = np.flatnonzero(order.nodes < num_frontier)
    old_node = order.nodes[old_at].tolist()
    spanning = np.flatnonzero(spans)
    starts, ends = order.starts[spanning], (order.starts + order.counts)[spanning]
    first_old, end_old = np.searchsorted(old_at, np.stack([starts, ends])).tolist()
    old_at = np.append(old_at, order.nodes.size)
    pieces: dict[int, list[Piece]] = {}
    for number, chain in enumerate(spanning.tolist()):
        found = pieces[chain] = []
        at = int(starts[number])
        for old in range(first_old[number], end_old[number]):
            stop = int(old_at[old])
            _add_piece(found, int(place[min(at, stop)]), stop - at)
            for piece in pieces_above[old_node[old]]:
                _add_piece(found, *piece)
            at = stop + 1
        end = int(ends[number])
        _add_piece(found, int(place[min(at, end - 1)]), end - at)
    return pieces


def _add_piece(pieces: list[Piece], first: int, count: int) -> None:
    """Append a piece, or lengthen the last one where it goes on there."""
    if count == 0:
        return
    if pieces and sum(pieces[-1]) == first:
        pieces[-1] = (pieces[-1][0], pieces[-1][1] + count)
    else:
        pieces.append((first, count))


def park_rings(rings: RingTable, strip: int, spool: Spool) -> Iterator[tuple[int, Batch]]:
    """Write the rings that are not held.

    Args:
        rings: The rings that the strip has closed.
        strip: The strip's number.
        spool: Where to write.

    Yields:
        Region, and where its rings of this strip lie.
    """
    regions, counts = rings.region[rings.num_held :], rings.counts[rings.num_held :]
    if regions.size == 0:
        return
    header = spool.append(rings.header[rings.num_held :])
    edge = spool.append(rings.edges[rings.num_held_edges :])
    starts = np.flatnonzero(np.diff(regions, prepend=-1))
    num_rings = np.diff(starts, append=regions.size).tolist()
    num_edges = np.add.reduceat(counts, starts).tolist()
    for number, region in enumerate(regions[starts].tolist()):
        yield region, Batch(strip, header, num_rings[number], edge, num_edges[number])
        header, edge = header + num_rings[number], edge + num_edges[number]


def fetch_rings(batches: dict[int, list[Batch]], num_finished: int, spool: Spool) -> ParkedRings:
    """Read the rings of finished regions that have parked few of them, and strike these off.

    Args:
        batches: Where the rings of each region lie; changed in place.
        num_finished: Number of regions that are finished.
        spool: Where to read.
    """
    regions: list[int] = []
    fetched: list[Batch] = []
    room = _MOST_FETCHED
    for region in sorted(region for region in batches if region < num_finished):
        num_edges = sum(batch.num_edges for batch in batches[region])
        if num_edges <= _FEW_EDGES and num_edges <= room:
            room -= num_edges
            regions += [region] * len(batches[region])
            fetched += batches.pop(region)
    num_rings = [batch.num_rings for batch in fetched]
    return ParkedRings(
        np.repeat(np.array(regions, np.intp), num_rings),
        spool.read([(batch.first_header, batch.num_rings) for batch in fetched]),
        spool.read([(batch.first_edge, batch.num_edges) for batch in fetched]),
    )


def merge_batches(regions: OpenRegions, gathering: Gathering) -> dict[int, list[Batch]]:
    """Return the parked rings of each region that has some."""
    batches: dict[int, list[Batch]] = {}
    for region, parked in zip(gathering.of_open.tolist(), regions.batches, strict=True):
        if parked:
            batches.setdefault(region, []).extend(parked)
    return batches


def hand_on(
    chains: Chains,
    gathering: Gathering,
    pieces: Mapping[int, list[Piece]],
    batches: Mapping[int, list[Batch]],
) -> Unfinished:
    """Return what the next strip needs to know."""
    opened = np.flatnonzero(chains.is_open)
    first = gathering.num_finished
    regions = OpenRegions(
        gathering.class_index[first:],
        gathering.num_pixels[first:],
        gathering.first_key[first:],
        [batches.get(region, []) for region in range(first, len(gathering))],
    )
    return Unfinished(
        chains.frontier,
        [pieces[chain] for chain in opened.tolist()],
        gathering.of_chain[opened] - first,
        regions,
    )
