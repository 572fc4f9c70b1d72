"""The overview is the whole slide, small."""

import numpy as np
import pytest

from dfaseg.errors import ReadError
from dfaseg.slide import ArraySlide
from dfaseg.tiler.overview import read_overview
from dfaseg.tiler.plan import plan_overview, plan_reading


def test_overview_is_the_mean_of_its_mask_pixels():
    """Each pixel is the mean over factor x factor mask pixels; beyond the slide is white."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    slide = ArraySlide(pixels, tile_px=16)
    plan = plan_reading(slide.info, 0.5)

    overview = read_overview(slide, plan_overview(slide.info, plan, 4), num_workers=2).pixels

    padded = np.full((40, 52, 3), 255, np.uint8)
    padded[:, :50] = pixels
    expected = padded.reshape(10, 4, 13, 4, 3).mean((1, 3))
    assert overview.shape == (10, 13, 3)
    assert np.abs(overview - expected).max() <= 0.51


def test_failing_tile_does_not_stop_the_overview():
    """An overview with a white patch is better than none."""
    slide = ArraySlide(np.zeros((32, 32, 3), np.uint8), tile_px=16, failing=[(0, 0, 0)])

    overview = read_overview(slide, plan_reading(slide.info, 0.5), num_workers=1)

    assert (overview.pixels[:16, :16] == 255).all()
    assert (overview.pixels[16:] == 0).all()
    assert overview.is_unreadable[:16, :16].all()
    assert np.count_nonzero(overview.is_unreadable) == 16 * 16


def test_slide_without_any_readable_tile_is_refused():
    """Whoever has only the head of a file is told, instead of getting an empty result."""
    tiles = [(0, col, row) for col in range(2) for row in range(2)]
    slide = ArraySlide(np.zeros((32, 32, 3), np.uint8), tile_px=16, failing=tiles)

    with pytest.raises(ReadError, match="get the file again"):
        read_overview(slide, plan_reading(slide.info, 0.5), num_workers=1)
