"""Pyramid steps from the sizes a file states."""

from collections.abc import Sequence
from dataclasses import dataclass

from dfaseg.slide.slide import Level

MAX_TILE_PX = 2**28
"""Pixels of the largest tile that is believed. A damaged header may state one of a terabyte, and
libraries that try to allocate it end the process."""


@dataclass(frozen=True, slots=True)
class StoredLevel:
    """Size of one pyramid step and of the tiles in which it is decoded, all in its own pixels.

    ``reductions`` is what it is in ``Level``.
    """

    width: int
    height: int
    tile_width: int
    tile_height: int
    reductions: tuple[int, ...] = ()


def make_levels(stored: Sequence[StoredLevel]) -> tuple[Level, ...]:
    """Derive each level's downsample from the sizes, finest level first."""
    first = stored[0]
    return tuple(_make_level(first, level) for level in stored)


def _make_level(first: StoredLevel, level: StoredLevel) -> Level:
    factor = whole_factor(first.width, first.height, level.width, level.height)
    return Level(
        width=level.width,
        height=level.height,
        downsample_x=factor or first.width / level.width,
        downsample_y=factor or first.height / level.height,
        tile_width=level.tile_width,
        tile_height=level.tile_height,
        reductions=level.reductions,
    )


def whole_factor(width: int, height: int, level_width: int, level_height: int) -> float | None:
    """Return the whole factor that, up to rounding, makes one size into the other, or ``None``.

    Writers round the sizes of reduced levels up, down or to nearest; the true factor is the whole
    number they divided by, not the ratio of the rounded sizes, which drifts by up to a pixel.
    """
    for factor in (round(width / level_width), round(height / level_height)):
        if factor >= 1 and all(
            # Less than one pixel off: floor, round or ceil of the exact quotient.
            abs(length / factor - stated) < 1
            for length, stated in ((width, level_width), (height, level_height))
        ):
            return float(factor)
    return None
