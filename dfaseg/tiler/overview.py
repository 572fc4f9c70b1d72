"""A small picture of a whole slide, read through the same rows as its patches."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from dfaseg.slide.slide import Slide
from dfaseg.tiler.plan import ReadPlan
from dfaseg.tiler.rows import WHITE, RowReader


def read_overview(slide: Slide, plan: ReadPlan, *, num_workers: int) -> NDArray[np.uint8]:
    """Read a whole slide at the resolution of a (coarse) plan.

    Tiles that cannot be decoded stay white: an overview is better than none, and the same tiles
    are reported when the slide is analysed.

    Returns:
        RGB picture, shape ``(plan.height, plan.width, 3)``.
    """
    picture = np.full((plan.height, plan.width, 3), WHITE, np.uint8)
    with ThreadPoolExecutor(num_workers, thread_name_prefix="overview") as executor:
        for strip in RowReader(slide, plan, executor).strips():
            rows = picture[strip.y : strip.y + len(strip.pixels)]
            rows[:, : strip.pixels.shape[1]] = strip.pixels[: len(rows), : plan.width]
    return picture
