"""Parts of a slide, small enough to be held, read through the same rows as predictions."""

import math
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dfaseg.geometry import Rect
from dfaseg.slide import Level, Slide
from dfaseg.tiler.plan import ReadPlan
from dfaseg.tiler.rows import RowReader, RowStrip
from dfaseg.tiler.strips import WHITE

MAX_REGION_PX = 4096
"""Longest side of a region: 50 MB of pixels."""
_NUM_DECODERS = 2
"""Threads per region; several regions are read side by side."""


def cut_regions(level: Level, plan: ReadPlan, max_px: int) -> list[Rect]:
    """Cut a slide into rectangles of about equal size that cover it, none of them twice.

    Borders lie between native tiles wherever the two grids meet often enough, so that each tile is
    decoded for one region only.

    Args:
        level: The level that the plan reads.
        plan: How the slide is read.
        max_px: Longest side of a region in mask px.

    Returns:
        Regions in mask px, row by row.
    """
    across = _cut(plan.width, level.tile_width / plan.scale_x, max_px)
    down = _cut(plan.height, level.tile_height / plan.scale_y, max_px)
    return [
        Rect(x, y, right - x, bottom - y)
        for y, bottom in pairwise(down)
        for x, right in pairwise(across)
    ]


def read_region(
    slide: Slide, plan: ReadPlan, mask_rect: Rect
) -> tuple[NDArray[np.uint8], tuple[Rect, ...]]:
    """Read one region, decoding only the native tiles that it touches.

    Args:
        slide: Open slide; stays open.
        plan: Level and scale to read at.
        mask_rect: The region, inside the plan's mask frame.

    Returns:
        RGB pixels ``(h, w, 3)``, and which parts of them (px, from the region's own corner) are
        white because their native tiles could not be decoded.
    """
    level = slide.info.levels[plan.level]
    image = np.full((mask_rect.height, mask_rect.width, 3), WHITE, np.uint8)
    with ThreadPoolExecutor(_NUM_DECODERS, thread_name_prefix="decode") as executor:
        reader = RowReader(
            slide,
            plan,
            executor,
            _touched_tiles(level, plan, mask_rect),
            num_workers=_NUM_DECODERS,
        )
        for strip in reader.strips(mask_rect.y):
            _copy_rows(strip, mask_rect, image)
            if strip.y + len(strip.pixels) >= mask_rect.bottom:
                break
    unreadable = (
        plan.mask_rect_of(level.tile_rect(*place)).intersection(mask_rect)
        for place in reader.take_unreadable()
    )
    return image, tuple(
        rect.shifted(-mask_rect.x, -mask_rect.y) for rect in unreadable if rect.area
    )


def _cut(length: int, native_side: Fraction, max_px: int) -> list[int]:
    """Return the borders of the regions along one axis, both ends included.

    Args:
        length: Mask px to cut.
        native_side: Mask px per native tile; after as many px as its numerator says, the borders
            of tiles and mask pixels meet.
        max_px: Most mask px between two borders.
    """
    step = native_side.numerator if native_side.numerator <= max_px else 1
    count = math.ceil(length / (max_px // step * step))
    side = math.ceil(length / count / step) * step
    return [*range(0, length, side), length]


def _touched_tiles(level: Level, plan: ReadPlan, mask_rect: Rect) -> NDArray[np.bool_]:
    """Tell which native tiles a region touches, shape ``(tile rows, tile columns)``."""
    touched = np.zeros((level.num_tile_rows, level.num_tile_cols), bool)
    rows = _span(mask_rect.y, mask_rect.bottom, plan.scale_y, level.tile_height)
    cols = _span(mask_rect.x, mask_rect.right, plan.scale_x, level.tile_width)
    touched[rows, cols] = True
    return touched


def _span(start: int, stop: int, scale: Fraction, tile_side: int) -> slice:
    return slice(math.floor(start * scale / tile_side), math.ceil(stop * scale / tile_side))


def _copy_rows(strip: RowStrip, mask_rect: Rect, image: NDArray[np.uint8]) -> None:
    """Copy the part of a strip that lies in a region."""
    first = max(strip.y, mask_rect.y)
    last = min(strip.y + len(strip.pixels), mask_rect.bottom)
    if first < last:
        rows = strip.pixels[first - strip.y : last - strip.y, mask_rect.x : mask_rect.right]
        image[first - mask_rect.y : last - mask_rect.y] = rows
