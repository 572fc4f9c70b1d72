"""Patches whose pixels are those of native tiles: put together without a strip of the slide."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dfaseg.geometry import Tile
from dfaseg.slide.slide import Level
from dfaseg.tiler.rows import passing_tile_reader, tile_reader
from dfaseg.tiler.shared_tiles import SharedTiles
from dfaseg.tiler.strips import WHITE
from dfaseg.tiler.tile_rows import TileRows


@dataclass(frozen=True, slots=True)
class UnscaledRow:
    """The selected tiles of one row of the grid, to be put together from native tiles.

    Attributes:
        tiles: Their places, from left to right; at least one.
        level: Native tiles as they are decoded.
        native: Decodes them.
    """

    tiles: tuple[Tile, ...]
    level: Level
    native: SharedTiles

    def cut(self, tile: Tile, patch: NDArray[np.uint8]) -> bool:
        """Write a tile's pixels to ``patch``, ``(patch_px, patch_px, 3)``; once for each tile.

        White outside the slide.

        Returns:
            Whether all of them could be decoded.
        """
        rect, level = tile.mask_rect, self.level
        right, bottom = min(rect.right, level.width), min(rect.bottom, level.height)
        if (right, bottom) != (rect.right, rect.bottom):
            patch[...] = WHITE
        native, cols = self.native, _pieces(rect.x, right, level.tile_width)
        is_readable = True
        for row, patch_rows, native_rows in _pieces(rect.y, bottom, level.tile_height):
            for col, patch_cols, native_cols in cols:
                pixels = native.take(col, row)
                if pixels is None:
                    patch[patch_rows, patch_cols] = WHITE
                    is_readable &= native.is_readable(col, row)
                else:
                    patch[patch_rows, patch_cols] = pixels[native_rows, native_cols]
        return is_readable


def are_unscaled(rows: TileRows) -> bool:
    """Tell whether the pixels of patches are those of native tiles as they are decoded."""
    return rows.plan.decoded_scale_x == rows.plan.decoded_scale_y == 1


def unscaled_rows(rows: TileRows) -> Generator[UnscaledRow, None, None]:
    """Yield the rows that hold selected tiles, in order; nothing is decoded until they are cut."""
    level = rows.level.reduced(rows.plan.reduction)
    native = SharedTiles(
        tile_reader(rows.slide, rows.plan),
        passing_tile_reader(rows.slide, rows.plan),
        rows.native_uses(),
        rows.unreadable,
    )
    for row in rows.rows_left():
        yield UnscaledRow(rows.tiles_of(row), level, native)


# All patches of a row and all rows of patches ask for the same, on the widest slides, too.
@lru_cache(1 << 12)
def _pieces(start: int, stop: int, side: int) -> Sequence[tuple[int, slice, slice]]:
    """Divide a patch's pixels on one axis among native tiles.

    Args:
        start: First pixel of the patch, in px of the level.
        stop: One past its last in the slide.
        side: Pixels of a native tile.

    Returns:
        Index of a native tile, the pixels that it fills in the patch, and which of its own.
    """
    pieces = []
    for index in range(start // side, -(-stop // side)):
        first, last = max(start, index * side), min(stop, (index + 1) * side)
        in_patch = slice(first - start, last - start)
        pieces.append((index, in_patch, slice(first - index * side, last - index * side)))
    return tuple(pieces)
