"""Borders of unfinished regions put into the spool until their region is finished."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation.gathering import Gathering, RingTable
from dfaseg.annotation.spool import Piece, Spool
from dfaseg.annotation.tracing import Chains
from dfaseg.annotation.unfinished import Batch, OpenRegions, Unfinished


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
    first = spool.append(chains.edges.take(order.nodes[is_new], axis=0))
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


def park_rings(
    rings: RingTable, is_parked: NDArray[np.bool_], strip: int, spool: Spool
) -> Iterator[tuple[int, Batch]]:
    """Write some rings.

    Args:
        rings: The rings that the strip has closed.
        is_parked: Which of them.
        strip: The strip's number.
        spool: Where to write.

    Yields:
        Region, and where its rings of this strip lie.
    """
    regions, counts = rings.region[is_parked], rings.counts[is_parked]
    if regions.size == 0:
        return
    header = spool.append(rings.header[is_parked])
    edge = spool.append(rings.edges[np.repeat(is_parked, rings.counts)])
    starts = np.flatnonzero(np.diff(regions, prepend=-1))
    num_rings = np.diff(starts, append=regions.size).tolist()
    num_edges = np.add.reduceat(counts, starts).tolist()
    for number, region in enumerate(regions[starts].tolist()):
        yield region, Batch(strip, header, num_rings[number], edge)
        header, edge = header + num_rings[number], edge + num_edges[number]


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
