"""Which native tiles a run must decode, and for how many patches."""

import numpy as np
from numpy.typing import NDArray

from dfaseg.geometry import TileGrid
from dfaseg.slide.slide import Level
from dfaseg.tiler.boxes import Span, count_in_boxes
from dfaseg.tiler.plan import ReadPlan


def needed_native_tiles(
    level: Level, plan: ReadPlan, grid: TileGrid, selected: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Tell which native tiles touch a selected tile; see ``native_tile_uses``."""
    needed: NDArray[np.bool_] = native_tile_uses(level, plan, grid, selected) > 0
    return needed


def native_tile_uses(
    level: Level, plan: ReadPlan, grid: TileGrid, selected: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Count the selected tiles that each native tile touches.

    Args:
        level: The level that is read.
        plan: How it is read.
        grid: Tiles over the plan's mask frame.
        selected: Tiles to read, shape ``(grid.num_rows, grid.num_cols)``.

    Returns:
        Shape ``(tile rows, tile columns)`` of the level.
    """
    width = level.tile_width / float(plan.scale_x)
    cols = _touching(level.num_tile_cols, width, grid.stride_px, grid.patch_px)
    return count_in_boxes(selected, rows_touching_native(level, plan, grid), cols)


def rows_touching_native(level: Level, plan: ReadPlan, grid: TileGrid) -> Span:
    """Return the rows of the grid that touch each row of native tiles; see ``native_tile_uses``."""
    height = level.tile_height / float(plan.scale_y)
    return _touching(level.num_tile_rows, height, grid.stride_px, grid.patch_px)


def _touching(count: int, native_side: float, stride: int, side: int) -> Span:
    """First and one past the last tile of the grid that touches each native tile, on one axis.

    Args:
        count: Native tiles on the axis.
        native_side: Mask pixels per native tile.
        stride: Mask pixels between tiles.
        side: Mask pixels per tile.
    """
    index = np.arange(count)
    start = np.floor(index * native_side).astype(np.int64)
    stop = np.ceil((index + 1) * native_side).astype(np.int64)
    first = np.maximum(0, -(-(start - side + 1) // stride))
    last = (stop - 1) // stride + 1
    return first, last
