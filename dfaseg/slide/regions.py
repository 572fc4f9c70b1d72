"""Blocks in which slides behind a region reader (OpenSlide, tiffslide) are read."""

from dataclasses import dataclass

from dfaseg.slide.slide import Level

_BLOCK_PX = 512
"""Wanted side of a block; more decodes too much at once, less calls the library too often."""
MAX_BLOCK_WIDTH_PX = 4096
"""Hamamatsu's strips are a few thousand px wide and 8 px high; cut across, they would be decoded
once per block."""
MAX_BLOCK_HEIGHT_PX = 1024
"""Rows of blocks are held in memory over the width of the slide."""


@dataclass(frozen=True, slots=True)
class Region:
    """What to ask a region reader for: a corner in level-0 px and a size in level px."""

    level0_x: int
    level0_y: int
    width: int
    height: int


def block_side(tile_px: int, level_px: int, max_block_px: int) -> int:
    """Return the side of the blocks to read along one axis.

    A block is a whole number of the file's own tiles, so that no tile is decoded for two blocks.

    Args:
        tile_px: Side of the file's own tile; 0 where it is unknown.
        level_px: Length of the level, which a block need not exceed.
        max_block_px: Tiles larger than this are cut, and left to the library's cache.
    """
    if not 0 < tile_px <= max_block_px:
        return min(_BLOCK_PX, level_px)
    return min(tile_px * max(1, round(_BLOCK_PX / tile_px)), level_px)


def block_region(level: Level, col: int, row: int, downsample: float) -> Region:
    """Return the part of a block that lies inside its level.

    Args:
        level: The level, whose tiles are blocks.
        col: Block column.
        row: Block row.
        downsample: What the library divides level-0 coordinates by on this level; it may differ
            from the level's own where sizes were rounded.
    """
    rect = level.tile_rect(col, row)
    return Region(round(rect.x * downsample), round(rect.y * downsample), rect.width, rect.height)
