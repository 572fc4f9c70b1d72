"""Resolutions and the fractions that link pixel grids."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfaseg.geometry import is_plausible_mpp, simplest_fraction


@pytest.mark.parametrize(
    ("value", "expected"),
    [(2.8056, Fraction(14, 5)), (1.0024, Fraction(1)), (2.0, Fraction(2)), (0.5, Fraction(1, 2))],
    ids=["EBHI at 0.499", "almost the same", "double", "half"],
)
def test_simplest_fraction_by_example(value, expected):
    """The smallest denominator within half a percent is taken."""
    assert simplest_fraction(value, 0.005) == expected


@given(st.floats(0.02, 500), st.sampled_from([0.005, 1e-3]))
def test_simplest_fraction_is_within_tolerance_and_simplest(value, tolerance):
    """No fraction of smaller denominator would do."""
    fraction = simplest_fraction(value, tolerance)

    assert abs(float(fraction) / value - 1) <= tolerance * 1.0001
    for denominator in range(1, fraction.denominator):
        nearest = max(1, round(value * denominator)) / denominator
        assert abs(nearest / value - 1) > tolerance


@pytest.mark.parametrize(
    ("mpp", "expected"),
    [(0.25, True), (16.78, True), (0.00499, False), (352.8, False), (float("nan"), False)],
    ids=["40x", "coarse", "tag wrong by 100", "72 dpi", "not a number"],
)
def test_plausible_resolutions(mpp, expected):
    """Only what a microscope can give is believed."""
    assert is_plausible_mpp(mpp) is expected
