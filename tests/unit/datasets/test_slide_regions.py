"""Regions of a slide are what the whole slide is."""

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from dfaseg.datasets.slide_regions import cut_regions, read_region
from dfaseg.geometry import Rect
from dfaseg.slide import ArraySlide
from dfaseg.tiler.overview import read_overview
from dfaseg.tiler.plan import plan_reading
from tests.factories import tissue_like_image

IMAGE = tissue_like_image(300, 200, seed=3)


class CountingSlide(ArraySlide):
    """Counts how often each native tile is decoded."""

    def __init__(self, pixels: NDArray[np.uint8], tile_px: int) -> None:
        super().__init__(pixels, mpp=0.5, tile_px=tile_px)
        self.counts: Counter[tuple[int, int, int]] = Counter()

    def read_tile(self, level: int, col: int, row: int) -> NDArray[np.uint8] | None:
        """Count and read."""
        self.counts[level, col, row] += 1
        return super().read_tile(level, col, row)


@pytest.mark.parametrize("mpp", [0.5, 0.7, 1.0, 1.7], ids=str)
@pytest.mark.parametrize("tile_px", [32, 48, 300])
def test_regions_make_up_the_slide(mpp: float, tile_px: int) -> None:
    """Put together they are the slide as read at once, at any scale."""
    slide = ArraySlide(IMAGE, mpp=0.5, tile_px=tile_px)
    plan = plan_reading(slide.info, mpp)
    whole = np.zeros((plan.height, plan.width, 3), np.uint8)
    covered = np.zeros((plan.height, plan.width), np.int64)

    for rect in cut_regions(slide.info.levels[plan.level], plan, max_px=70):
        pixels, unreadable = read_region(slide, plan, rect)
        whole[rect.slices], covered[rect.slices] = pixels, covered[rect.slices] + 1
        assert max(rect.width, rect.height) <= 70
        assert unreadable == ()

    assert (covered == 1).all()
    assert np.array_equal(whole, read_overview(slide, plan, num_workers=1).pixels)


def test_each_native_tile_is_decoded_once() -> None:
    """Borders of regions lie between native tiles."""
    slide = CountingSlide(IMAGE, tile_px=32)
    plan = plan_reading(slide.info, 1.0)

    for rect in cut_regions(slide.info.levels[0], plan, max_px=70):
        read_region(slide, plan, rect)

    assert plan.scale_x == Fraction(2)
    assert len(slide.counts) == 10 * 7
    assert set(slide.counts.values()) == {1}


def test_unreadable_tile_is_reported_in_the_region() -> None:
    """Its pixels are white, and the caller is told which they are."""
    slide = ArraySlide(IMAGE, mpp=0.5, tile_px=32, failing={(0, 3, 2)})
    plan = plan_reading(slide.info, 1.0)

    pixels, unreadable = read_region(slide, plan, Rect(40, 30, 30, 30))

    # The tile's 32 × 32 px at (96, 64) are 16 × 16 px at (48, 32).
    assert unreadable == (Rect(8, 2, 16, 16),)
    assert (pixels[2:18, 8:24] == 255).all()
