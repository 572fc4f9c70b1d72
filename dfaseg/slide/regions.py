"""Blocks in which slides behind a region reader (OpenSlide, tiffslide) are read."""

from dataclasses import dataclass

from dfaseg.slide.slide import Level

_BLOCK_PX = 512
"""Wanted side of a block; more decodes too much at once, less calls the library too often."""
_MAX_BLOCK_PX = 1024


@dataclass(frozen=True, slots=True)
class Region:
    """What to ask a region reader for: a corner in level-0 px and a size in level px."""

    level0_x: int
    level0_y: int
    width: int
    height: int


def block_side(tile_px: int | None, level_px: int) -> int:
    """Return the side of the blocks to read along one axis.

    A block is a whole number of the file's own tiles, so that no tile is decoded for two blocks.

    Args:
        tile_px: Side of the file's own tile; ``None`` where it is unknown.
        level_px: Length of the level, which a block need not exceed.
    """
    if not tile_px or tile_px > _MAX_BLOCK_PX:
        # Strips as wide as the slide: the library's cache keeps a row of them for the neighbours.
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
    x, y = col * level.tile_width, row * level.tile_height
    return Region(
        level0_x=round(x * downsample),
        level0_y=round(y * downsample),
        width=min(level.tile_width, level.width - x),
        height=min(level.tile_height, level.height - y),
    )
