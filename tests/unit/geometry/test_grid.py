"""Tile grids: every pixel covered, no tile in vain."""

import numpy as np
import pytest
from hypothesis import given

from dfaseg.errors import ConfigError
from dfaseg.geometry import TileGrid
from tests.strategies import grids


@given(grids())
def test_tiles_cover_every_pixel(grid):
    """Each pixel of the plane lies in at least one tile."""
    covered = np.zeros((grid.height, grid.width), int)

    for tile in grid.tiles():
        covered[tile.mask_rect.slices] += 1

    assert covered.min() >= 1


@given(grids())
def test_last_tiles_are_needed(grid):
    """Without its last row or column of tiles, a grid would leave pixels out."""
    last = grid.tile(grid.num_rows - 1, grid.num_cols - 1).mask_rect

    if grid.num_cols > 1:
        assert last.x - grid.stride_px + grid.patch_px < grid.width
    if grid.num_rows > 1:
        assert last.y - grid.stride_px + grid.patch_px < grid.height


@given(grids())
def test_tiles_without_overlap_never_meet(grid):
    """At overlap 0 each pixel lies in exactly one tile."""
    plain = TileGrid(grid.width, grid.height, grid.patch_px, 0)
    covered = np.zeros((grid.height, grid.width), int)

    for tile in plain.tiles():
        covered[tile.mask_rect.slices] += 1

    assert covered.max() == 1


@pytest.mark.parametrize(
    ("patch", "overlap"), [(0, 0), (8, 8), (8, -1)], ids=["no patch", "no step", "negative"]
)
def test_impossible_patch_is_refused(patch, overlap):
    """A grid needs patches that move on."""
    with pytest.raises(ConfigError, match="overlap"):
        TileGrid(10, 10, patch, overlap)


def test_empty_plane_is_refused():
    """There is no grid over nothing."""
    with pytest.raises(ConfigError, match="nothing to cover"):
        TileGrid(0, 10, 8, 0)
