"""Native tiles decoded some at a time, into memory that is given."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dfaseg.errors import ReadError
from dfaseg.tiler.rows import TileReader
from dfaseg.tiler.strips import WHITE

Failures = dict[tuple[int, int], str]
"""Why tiles ``(column, row)`` could not be decoded."""


def decode_tiles(
    read_tile: TileReader, cols: Sequence[int], row: int, memory: NDArray[np.uint8]
) -> Failures:
    """Decode tiles of one row.

    Args:
        read_tile: Decodes one.
        cols: Their columns.
        row: Their row.
        memory: RGB, uint8 ``(n, tile_height, tile_width, 3)`` with at least as many places as there
            are columns; a tile that is not stored or cannot be decoded becomes white.

    Returns:
        The tiles that could not be decoded.
    """
    failures: Failures = {}
    for place, col in zip(memory, cols, strict=False):
        try:
            tile = read_tile(col, row)
        except ReadError as error:
            failures[col, row] = error.problem
            tile = None
        place[...] = WHITE if tile is None else tile
    return failures
