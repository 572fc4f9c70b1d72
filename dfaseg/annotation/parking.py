"""Borders of unfinished regions put into the spool until their region is finished."""

from collections.abc import Collection, Iterator, Mapping

import numpy as np

from dfaseg.annotation.gathering import Gathering, ParkedRings, RingTable
from dfaseg.annotation.long_chains import split_long_chain
from dfaseg.annotation.rings import Places
from dfaseg.annotation.spool import Piece, Spool
from dfaseg.annotation.tracing import Chains
from dfaseg.annotation.trails import Trails
from dfaseg.annotation.unfinished import Batch, OpenRegions, Unfinished

_FEW_EDGES = 1 << 12
"""Regions with more in the spool are written from there, ring by ring."""
_MOST_FETCHED = 1 << 16
"""Edges fetched at a time; bounds the memory for them."""


def park_long_chains(
    closed: Places, trails: Trails, gathering: Gathering, strip: int, spool: Spool, num_columns: int
) -> tuple[dict[int, Piece], list[tuple[int, Batch]]]:
    """Split closed chains that are too long for memory, and leave their rings in the spool.

    Args:
        closed: Numbers of the chains.
        trails: Where the edges of all chains lie.
        gathering: Their regions.
        strip: The strip's number.
        spool: Where to read and write.
        num_columns: Lattice columns, one more than the mask has pixels.

    Returns:
        Where the exteriors among the rings lie, by region; regions with their holes.
    """
    exteriors: dict[int, Piece] = {}
    holes: list[tuple[int, Batch]] = []
    for chain in closed.tolist():
        rings = split_long_chain(trails, chain, spool, num_columns)
        region, first, sizes = int(gathering.of_chain[chain]), rings.first, rings.num_edges
        if rings.first_key == gathering.first_key[region]:
            exteriors[region] = (first, int(sizes[0]))
            first, sizes = first + int(sizes[0]), sizes[1:]
        if sizes.size:
            headers = np.empty((sizes.size, 4), np.int32)
            headers[:, :3] = (rings.last_line, *divmod(rings.first_key, num_columns))
            headers[:, 3] = sizes
            header = spool.append(headers)
            holes.append((region, Batch(strip, header, sizes.size, first, int(sizes.sum()))))
    return exteriors, holes


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


def fetch_rings(
    batches: dict[int, list[Batch]], num_finished: int, but: Collection[int], spool: Spool
) -> ParkedRings:
    """Read the rings of finished regions that have parked few of them, and strike these off.

    Args:
        batches: Where the rings of each region lie; changed in place.
        num_finished: Number of regions that are finished.
        but: Regions that stay in the spool.
        spool: Where to read.
    """
    regions: list[int] = []
    fetched: list[Batch] = []
    room = _MOST_FETCHED
    for region in sorted(region for region in batches.keys() - but if region < num_finished):
        count = sum(batch.num_edges for batch in batches[region])
        if count <= _FEW_EDGES and count <= room:
            room -= count
            regions += [region] * len(batches[region])
            fetched += batches.pop(region)
    pieces = np.array(fetched, np.intp).reshape(-1, 5)
    _, first_header, num_rings, first_edge, num_edges = pieces.T
    return ParkedRings(
        np.repeat(np.array(regions, np.intp), num_rings),
        spool.fetch(first_header, num_rings),
        spool.fetch(first_edge, num_edges),
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
    trails: Trails,
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
        trails.of(opened),
        gathering.of_chain[opened] - first,
        regions,
    )
