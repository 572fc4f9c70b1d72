"""Rows of tiles that can be read apart, so that still no native tile is decoded twice."""

from collections.abc import Sequence

import numpy as np

from dfaseg.tiler.needed import rows_touching_native
from dfaseg.tiler.tile_rows import TileRows


def row_parts(rows: TileRows, least_px: int) -> list[range]:
    """Divide rows of tiles among parts that have no native tile in common.

    Args:
        rows: The tiles.
        least_px: Pixels of patches in a part, at least; the last one may have fewer.

    Returns:
        Rows of the grid, from top to bottom, with all selected tiles among them; none where there
        are no such tiles. A single part where each row shares native tiles with the next, as rows
        of overlapping patches do.
    """
    counts: list[int] = np.count_nonzero(rows.selected, axis=1).tolist()
    borders = _borders(rows, counts)
    parts: list[range] = []
    first, num_px = 0, 0
    for row, count in enumerate(counts):
        if count and num_px >= least_px and borders[row]:
            parts.append(range(first, row))
            first, num_px = row, 0
        num_px += count * rows.grid.patch_px**2
    if num_px:
        parts.append(range(first, len(counts)))
    return parts


def _borders(rows: TileRows, counts: Sequence[int]) -> list[bool]:
    """Tell of each row of the grid whether no native tile reaches from rows above into it."""
    borders = [True] * len(counts)
    spans = (ends.tolist() for ends in rows_touching_native(rows.level, rows.plan, rows.grid))
    for first, stop in zip(*spans, strict=True):
        sharing = [row for row in range(first, min(stop, len(counts))) if counts[row]]
        for row in range(sharing[0] + 1, sharing[-1] + 1) if sharing else ():
            borders[row] = False
    return borders
