"""Whether a slide was repaired: tiles that could not be decoded earlier are asked for once more."""

from collections.abc import Sequence

from dfaseg.errors import ReadError
from dfaseg.slide.slide import Slide
from dfaseg.tiler.plan import ReadPlan
from dfaseg.tiler.rows import TileReader, tile_reader

MOST_TRIED = 16
"""Tiles that are asked for: a slide that is got again is mostly whole, and one that was cut short
may have lost a hundred thousand."""


def is_repaired(slide: Slide, plan: ReadPlan, tiles: Sequence[tuple[int, int]]) -> bool:
    """Tell whether native tiles that could not be decoded can be now.

    A slide's fingerprint is of its size and its ends: it is the same for a damaged file and for
    the one that replaces it.

    Args:
        slide: Open slide.
        plan: How it was and will be read.
        tiles: Column and row of each tile that could not be decoded; some are tried, evenly spread.

    Raises:
        SlideError: The slide failed in a way that is not bound to single tiles.
    """
    read_tile = tile_reader(slide, plan)
    step = max(1, -(-len(tiles) // MOST_TRIED))
    return any(_can_be_decoded(read_tile, col, row) for col, row in tiles[::step])


def _can_be_decoded(read_tile: TileReader, col: int, row: int) -> bool:
    try:
        read_tile(col, row)
    except ReadError:
        return False
    return True
