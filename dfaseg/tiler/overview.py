"""A small picture of a whole slide, read through the same rows as its patches."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfaseg.errors import ReadError
from dfaseg.slide.slide import Slide
from dfaseg.tiler.plan import ReadPlan
from dfaseg.tiler.rows import RowReader


@dataclass(frozen=True, slots=True)
class SlideOverview:
    """A slide, small.

    Attributes:
        pixels: RGB, shape ``(h, w, 3)``.
        is_unreadable: Where native tiles could not be decoded and ``pixels`` is white, ``(h, w)``.
    """

    pixels: NDArray[np.uint8]
    is_unreadable: NDArray[np.bool_]


def read_overview(slide: Slide, plan: ReadPlan, *, num_workers: int) -> SlideOverview:
    """Read a whole slide at the resolution of a (coarse) plan.

    Tiles that cannot be decoded stay white: an overview with gaps is better than none.

    Raises:
        ReadError: Not one tile can be decoded.
    """
    picture = np.empty((plan.height, plan.width, 3), np.uint8)
    is_unreadable = np.zeros(picture.shape[:2], bool)
    with ThreadPoolExecutor(num_workers, thread_name_prefix="overview") as executor:
        reader = RowReader(slide, plan, executor, num_workers=num_workers)
        for strip in reader.strips():
            picture[strip.y : strip.y + len(strip.pixels)] = strip.pixels
    level = slide.info.levels[plan.level]
    unreadable = reader.take_unreadable()
    for col, row in unreadable:
        is_unreadable[plan.mask_rect_of(level.tile_rect(col, row)).slices] = True
    if len(unreadable) == level.num_tile_cols * level.num_tile_rows:
        problem = next(iter(unreadable.values()))
        raise ReadError(
            slide.info.slide_id,
            f"none of its tiles can be decoded, e.g. {problem}; get the file again",
        )
    return SlideOverview(picture, is_unreadable)
