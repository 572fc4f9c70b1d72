"""Pure arithmetic on rectangles, grids and resolutions; no I/O and no pixels."""

from dfaseg.geometry.grid import Tile, TileGrid
from dfaseg.geometry.rect import Rect
from dfaseg.geometry.resolution import (
    MAX_PLAUSIBLE_MPP,
    MIN_PLAUSIBLE_MPP,
    is_plausible_mpp,
    simplest_fraction,
)
from dfaseg.geometry.tiling import NativeAxis

__all__ = [
    "MAX_PLAUSIBLE_MPP",
    "MIN_PLAUSIBLE_MPP",
    "NativeAxis",
    "Rect",
    "Tile",
    "TileGrid",
    "is_plausible_mpp",
    "simplest_fraction",
]
