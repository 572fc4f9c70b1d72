"""Downsamples from rounded level sizes."""

import pytest

from dfaseg.slide.levels import StoredLevel, make_levels, whole_factor


@pytest.mark.parametrize(
    ("size", "factor"),
    [
        ((4443, 3567, 2221, 1783), 2.0),
        ((4443, 3567, 2222, 1784), 2.0),
        ((1000, 1000, 250, 250), 4.0),
        ((1003, 1001, 250, 251), 4.0),
        ((46000, 32914, 2875, 2057), 16.0),
        ((1000, 1000, 1000, 1000), 1.0),
        ((1000, 1000, 300, 300), None),
        ((1000, 1000, 500, 250), None),
        ((1000, 500, 248, 125), None),
    ],
    ids=[
        "floor", "ceil", "exact", "mixed rounding", "large", "itself", "fraction", "per axis",
        "two px off",
    ],
)  # fmt: skip
def test_whole_factor_is_found_through_rounding(
    size: tuple[int, int, int, int], factor: float | None
) -> None:
    """A size within a pixel of the exact quotient on both axes has a whole factor."""
    assert whole_factor(*size) == factor


def test_tiny_level_takes_the_factor_that_fits_both_axes() -> None:
    """The longer axis pins the factor down where the shorter one is a few pixels."""
    assert whole_factor(3200, 100, 100, 3) == 32.0


def test_levels_state_ratio_per_axis_where_no_whole_factor_fits() -> None:
    """Odd pyramids keep the ratio of their sizes."""
    levels = make_levels([StoredLevel(1000, 900, 64, 64), StoredLevel(300, 280, 64, 32)])

    assert (levels[0].downsample_x, levels[0].downsample_y) == (1.0, 1.0)
    assert (levels[1].downsample_x, levels[1].downsample_y) == (1000 / 300, 900 / 280)
    assert (levels[1].num_tile_cols, levels[1].num_tile_rows) == (5, 9)
