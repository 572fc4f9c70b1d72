"""Labels of whole slides, read in parts at any resolution."""

import numpy as np
import pytest

from dfaseg.datasets.slide_labels import PaintedLabel, frame_of
from dfaseg.geometry import Rect
from dfaseg.slide import ArraySlide
from dfaseg.tiler.plan import ReadPlan, plan_reading


def plan_for(width: int, height: int, mpp: float) -> tuple[ArraySlide, ReadPlan]:
    """Return an empty slide at 0.5 µm/px and how it is read."""
    slide = ArraySlide(np.zeros((height, width, 3), np.uint8), mpp=0.5)
    return slide, plan_reading(slide.info, mpp)


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_mask_of_any_downsample_lies_over_the_slide(factor: int) -> None:
    """Each pixel read has the class of the mask pixel under its centre."""
    slide, plan = plan_for(64, 48, mpp=1.0)
    painted = np.arange(48 // factor * 64 // factor).reshape(48 // factor, -1).astype(np.uint8)
    label = PaintedLabel(painted, slide.info.levels[0], frame_of(plan))

    found = label.read_rect(Rect(4, 6, 20, 10))

    y, x = np.mgrid[6:16, 4:24]
    expected = painted[(2 * y + 1) // factor, (2 * x + 1) // factor]
    assert np.array_equal(found, expected)


@pytest.mark.parametrize(("width", "height"), [(250, 125), (251, 126), (250, 126)])
def test_rounded_size_does_not_shift_the_mask(width: int, height: int) -> None:
    """A mask at a downsample of 4 stays at 4, whichever way its size was rounded."""
    slide, plan = plan_for(1002, 502, mpp=2.0)
    painted = np.zeros((height, width), np.uint8)
    painted[:, 200:] = 1

    found = PaintedLabel(painted, slide.info.levels[0], frame_of(plan)).read_rect(
        Rect(190, 0, 20, 5)
    )

    assert found[0].tolist() == [0] * 10 + [1] * 10


@pytest.mark.parametrize("shape", [(48, 60), (24, 40), (96, 128)])
def test_mask_of_another_shape_is_refused(shape: tuple[int, int]) -> None:
    """It belongs to another slide, or is a part of this one."""
    slide, plan = plan_for(64, 48, mpp=1.0)

    with pytest.raises(ValueError, match="do not lie over 64 × 48 px"):
        PaintedLabel(np.zeros(shape, np.uint8), slide.info.levels[0], frame_of(plan))


def test_pixels_outside_the_slide_are_not_labelled() -> None:
    """A tile may overhang the slide."""
    slide, plan = plan_for(64, 48, mpp=1.0)
    label = PaintedLabel(np.ones((48, 64), np.uint8), slide.info.levels[0], frame_of(plan))

    assert label.read_rect(Rect(30, -1, 4, 2)).tolist() == [[255] * 4, [1, 1, 255, 255]]
