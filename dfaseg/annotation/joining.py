"""Chains that span strips, read back from the spool once they are closed."""

import numpy as np

from dfaseg.annotation.gathering import Gathering, ParkedRings
from dfaseg.annotation.rings import Places, find_pairs, keys_of, split_rings
from dfaseg.annotation.spool import Spool
from dfaseg.annotation.trails import Trails, unmark_edges


def join_chains(
    closed: Places, trails: Trails, gathering: Gathering, spool: Spool, num_columns: int
) -> ParkedRings:
    """Read closed chains and split them into simple rings.

    Args:
        closed: Numbers of the chains.
        trails: Where the edges of all chains lie.
        gathering: Their regions.
        spool: Where to read.
        num_columns: Lattice columns, one more than the mask has pixels.
    """
    if closed.size == 0:
        return ParkedRings.none()
    bounds = np.append(0, np.cumsum(trails.num_edges[closed]))
    edges = trails.edges(closed, spool)
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
        gathering.of_chain[closed[whole]],
        np.stack(columns, axis=1, dtype=np.int32, casting="unsafe"),
        edges.take(order.nodes, axis=0),
    )
