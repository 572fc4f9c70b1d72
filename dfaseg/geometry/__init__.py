"""Pure arithmetic on rectangles, grids and resolutions; no I/O and no pixels."""

from dfaseg.geometry.grid import Tile, TileGrid
from dfaseg.geometry.rect import Rect
from dfaseg.geometry.resolution import (
    MAX_PLAUSIBLE_MPP,
    MIN_PLAUSIBLE_MPP,
    is_plausible_mpp,
    simplest_fraction,
)

__all__ = [
    "MAX_PLAUSIBLE_MPP",
    "MIN_PLAUSIBLE_MPP",
    "Rect",
    "Tile",
    "TileGrid",
    "is_plausible_mpp",
    "simplest_fraction",
]
