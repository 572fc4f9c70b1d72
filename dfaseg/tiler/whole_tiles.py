"""Patches that consist of whole native tiles: put together without a strip of the slide between."""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfaseg.errors import ReadError
from dfaseg.geometry import Tile
from dfaseg.slide.slide import Level
from dfaseg.tiler.rows import TileReader, tile_reader
from dfaseg.tiler.strip_buffers import WHITE
from dfaseg.tiler.tile_rows import TileRows
from dfaseg.tiler.unreadable import UnreadableTiles


@dataclass(frozen=True, slots=True)
class WholeTileRow:
    """The selected tiles of one row of the grid, none of which is decoded yet.

    Attributes:
        tiles: Their places, from left to right; at least one.
        level: Native tiles as they are decoded.
        read_tile: Decodes one.
        unreadable: Where those that fail are noted.
    """

    tiles: tuple[Tile, ...]
    level: Level
    read_tile: TileReader
    unreadable: UnreadableTiles

    def cut(self, tile: Tile, patch: NDArray[np.uint8]) -> bool:
        """Decode a tile's pixels into ``patch``, ``(patch_px, patch_px, 3)``.

        White outside the slide.

        Returns:
            Whether all of them could be decoded.
        """
        width, height = self.level.tile_width, self.level.tile_height
        is_readable = True
        for top in range(0, len(patch), height):
            for left in range(0, len(patch), width):
                place = patch[top : top + height, left : left + width]
                col, row = (tile.mask_rect.x + left) // width, (tile.mask_rect.y + top) // height
                is_readable &= self._decode_into(place, col, row)
        return is_readable

    def _decode_into(self, place: NDArray[np.uint8], col: int, row: int) -> bool:
        """Decode one native tile, or leave white what is not in the slide or cannot be decoded."""
        width = min(self.level.tile_width, self.level.width - col * self.level.tile_width)
        height = min(self.level.tile_height, self.level.height - row * self.level.tile_height)
        pixels, is_readable = None, True
        if width > 0 and height > 0:
            try:
                pixels = self.read_tile(col, row)
            except ReadError as error:
                self.unreadable.note({(col, row): error.problem})
                is_readable = False
        if pixels is None or (height, width) != place.shape[:2]:
            place[...] = WHITE
        if pixels is not None:
            place[:height, :width] = pixels[:height, :width]
        return is_readable


def are_whole(rows: TileRows) -> bool:
    """Tell whether each native tile is in one patch only, with all its pixels as decoded."""
    plan, side = rows.plan, rows.grid.patch_px
    level = rows.level.reduced(plan.reduction)
    is_unscaled = plan.decoded_scale_x == plan.decoded_scale_y == 1
    is_aligned = side % level.tile_width == side % level.tile_height == 0
    return is_unscaled and is_aligned and not rows.grid.overlap_px


def whole_rows(rows: TileRows) -> Generator[WholeTileRow, None, None]:
    """Yield the rows that hold selected tiles, in order; nothing is decoded until they are cut."""
    level, read_tile = rows.level.reduced(rows.plan.reduction), tile_reader(rows.slide, rows.plan)
    for row in rows.rows_left():
        yield WholeTileRow(rows.tiles_of(row), level, read_tile, rows.unreadable)
