"""Blocks for region readers."""

import pytest

from dfaseg.slide.levels import StoredLevel, make_levels
from dfaseg.slide.regions import Region, block_region, block_side


@pytest.mark.parametrize(
    ("tile_px", "level_px", "side"),
    [
        (256, 10000, 512),
        (240, 10000, 480),
        (512, 10000, 512),
        (1024, 10000, 1024),
        (700, 10000, 700),
        (8, 10000, 512),
        (1025, 10000, 512),
        (0, 10000, 512),
        (256, 100, 100),
    ],
)
def test_block_is_a_whole_number_of_tiles(tile_px: int, level_px: int, side: int) -> None:
    """Near 512 px, except where tiles are unknown or larger than a block may be."""
    assert block_side(tile_px, level_px, max_block_px=1024) == side


def test_region_is_cut_at_the_edge_and_placed_in_level_0() -> None:
    """The corner is in level-0 px, the size in level px."""
    level = make_levels([StoredLevel(4000, 4000, 512, 512), StoredLevel(1000, 1000, 512, 512)])[1]

    assert block_region(level, 1, 0, downsample=4.0) == Region(2048, 0, 488, 512)
