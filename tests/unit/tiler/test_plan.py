"""Read plans: which level, how much to shrink, how large the mask."""

from fractions import Fraction

import pytest

from dfaseg.errors import ConfigError, SlideError
from dfaseg.geometry import Rect
from dfaseg.slide.slide import Level, SlideInfo
from dfaseg.tiler.plan import (
    MAX_ALIGNED_PERIOD_PX,
    overview_factor,
    plan_overview,
    plan_reading,
)


def info(mpp, *levels):
    """A slide of 256 px tiles with the given (width, height, downsample) levels."""
    return SlideInfo(
        slide_id="s",
        location="s.svs",
        reader="test",
        fingerprint="0",
        mpp=mpp,
        mpp_source="test",
        levels=tuple(Level(w, h, d, d, 256, 256) for w, h, d in levels),
    )


PYRAMID = [(40000, 30000, 1.0), (10000, 7500, 4.0), (2500, 1875, 16.0)]


@pytest.mark.parametrize(
    ("mpp", "level", "scale"),
    [
        (0.25, 0, Fraction(1)),
        (0.5, 0, Fraction(2)),
        (0.9999, 1, Fraction(1)),
        (1.4, 1, Fraction(7, 5)),
        (8.0, 2, Fraction(2)),
        (0.2, 0, Fraction(4, 5)),
    ],
    ids=["same", "half", "almost level 1", "between", "coarse", "finer than the slide"],
)
def test_coarsest_sufficient_level_is_read(mpp, level, scale):
    """A plan never reads finer pixels than it needs, nor enlarges where it need not."""
    plan = plan_reading(info(0.25, *PYRAMID), mpp)

    assert (plan.level, plan.scale_x, plan.scale_y) == (level, scale, scale)
    assert plan.mpp == pytest.approx(mpp, rel=0.006)


def test_mask_covers_the_slide_to_the_last_pixel():
    """An incomplete last mask pixel is still a pixel of the mask."""
    plan = plan_reading(info(0.5, (1001, 999, 1.0)), 1.0)

    assert (plan.width, plan.height) == (501, 500)


def test_per_axis_downsample_is_kept():
    """A level that is oblong relative to level 0 gives different scales per axis."""
    levels = (Level(1000, 1000, 1.0, 1.0, 256, 256), Level(500, 250, 2.0, 4.0, 256, 256))
    oblong = SlideInfo("s", "s", "test", "0", 0.5, "test", levels)

    plan = plan_reading(oblong, 2.0)

    assert (plan.scale_x, plan.scale_y) == (Fraction(2), Fraction(1))
    assert (plan.downsample_x, plan.downsample_y) == (4.0, 4.0)


@pytest.mark.parametrize(
    ("mpp", "auto", "fast"),
    [
        (0.5, 1, 1),
        (0.95, 1, 1),
        (1.0, 2, 2),
        (1.4, 1, 2),
        (2.0, 4, 4),
        (2.8, 2, 4),
        (3.0, 2, 4),
        (4.0, 8, 8),
        (5.0, 4, 8),
        (16.0, 8, 8),
    ],
)
def test_tiles_are_decoded_smaller_where_means_are_kept(mpp, auto, fast):
    """Smaller tiles are never coarser than wanted, and of auto's what remains blurs little."""
    levels = (Level(5001, 3001, 1.0, 1.0, 240, 240, reductions=(2, 4, 8)),)
    slide = SlideInfo("s", "s", "test", "0", 0.5, "test", levels)

    plans = {how: plan_reading(slide, mpp, decoding=how) for how in ("auto", "fast", "full")}

    assert {how: plan.reduction for how, plan in plans.items()} == {
        "auto": auto, "fast": fast, "full": 1,
    }  # fmt: skip
    assert len({(plan.scale_x, plan.width, plan.height) for plan in plans.values()}) == 1


def test_both_axes_must_allow_smaller_tiles():
    """On an oblong level the less shrunk axis decides."""
    levels = (Level(1000, 1000, 1.0, 2.0, 256, 256, reductions=(2, 4, 8)),)
    slide = SlideInfo("s", "s", "test", "0", 0.5, "test", levels)

    assert plan_reading(slide, 2.0, decoding="auto").reduction == 2
    assert plan_reading(slide, 1.0, decoding="auto").reduction == 1


def test_overview_lies_on_the_mask_grid():
    """One overview pixel is exactly factor x factor mask pixels, whatever level it comes from."""
    slide = info(0.25, *PYRAMID)
    plan = plan_reading(slide, 1.4)

    overview = plan_overview(slide, plan, 8)

    assert (plan.level, overview.level) == (1, 2)
    assert overview.downsample_x == pytest.approx(8 * plan.downsample_x)
    assert overview.width == -(-plan.width // 8)


def test_overview_of_odd_levels_needs_few_rows():
    """Levels whose sizes fit no whole factor cost no more memory than a few pixels' drift."""
    slide = info(0.25, (120_000, 90_000, 1.0), (7501, 5626, 15.9979))
    plan = plan_reading(slide, 0.5)

    overview = plan_overview(slide, plan, 16)

    assert overview.scale_x.numerator <= MAX_ALIGNED_PERIOD_PX
    drift_px = overview.width * (overview.downsample_x / (16 * plan.downsample_x) - 1)
    assert abs(drift_px) < 1


def test_overview_factor_spares_small_slides():
    """The factor aims at a resolution but leaves small slides large enough to look at."""
    large = plan_reading(info(0.5, (100_000, 80_000, 1.0)), 1.0)
    small = plan_reading(info(0.5, (4000, 3000, 1.0)), 1.0)

    assert overview_factor(large, mpp=8.0, min_side=1024) == 8
    assert overview_factor(small, mpp=8.0, min_side=1024) == 1


def test_mask_rect_holds_every_touched_pixel():
    """A level rectangle maps to all mask pixels it touches, within the mask."""
    plan = plan_reading(info(0.5, (1000, 1000, 1.0)), 1.5)

    assert plan.mask_rect_of(Rect(4, 3, 6, 3)) == Rect(1, 1, 3, 1)
    assert plan.mask_rect_of(Rect(995, 995, 500, 500)).right == plan.width


@pytest.mark.parametrize("mpp", [0.0, -1.0, float("nan")])
def test_impossible_resolution_is_refused(mpp):
    """A resolution must be a positive number."""
    with pytest.raises(ConfigError, match="positive"):
        plan_reading(info(0.5, (10, 10, 1.0)), mpp)


def test_pixel_larger_than_the_slide_is_refused():
    """All of it, padded to one such pixel, asked for hundreds of gigabytes."""
    slide = info(0.5, (2000, 3000, 1.0))

    assert plan_reading(slide, 1500).height == 1
    with pytest.raises(SlideError, match=r"slide 's': at 1e\+06 µm per pixel nothing is left of"):
        plan_reading(slide, 1e6)
