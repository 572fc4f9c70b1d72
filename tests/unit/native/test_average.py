"""Area averaging in C against the definition, in whole numbers."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfaseg.native.average import MAX_NUMERATOR, average

SCALES = st.fractions(min_value=Fraction(1, 9), max_value=12, max_denominator=15)


def covered_lengths(size, scale):
    """How much of each source px each result px covers, in parts of 1/denominator of one."""
    unit = scale.denominator
    edges = np.arange(int(size / scale) + 1) * scale.numerator
    first = np.arange(size) * unit
    ends = np.minimum(edges[1:, None], first + unit)
    return (ends - np.maximum(edges[:-1, None], first)).clip(0).astype(float)  # for BLAS


def exact_mean(source, scale_x, scale_y):
    """The mean over each result px's extent, rounded half up."""
    rows, columns = (
        covered_lengths(size, scale)
        for size, scale in zip(source.shape[:2], (scale_y, scale_x), strict=True)
    )
    sums = np.einsum("ij,jkc,lk->ilc", rows, source.astype(float), columns, optimize=True)
    weight = scale_x.numerator * scale_y.numerator
    return (2 * sums.astype(np.int64) + weight) // (2 * weight)


def averaged(source, scale_x, scale_y):
    """The same by the code under test."""
    height, width, _ = source.shape
    result = np.zeros((int(height / scale_y), int(width / scale_x), 3), np.uint8)
    average(source, result, scale_x, scale_y)
    return result


@settings(max_examples=150)
@given(SCALES, SCALES, st.integers(1, 3), st.integers(1, 3), st.integers(1, 255), st.integers(0, 9))
def test_result_is_the_rounded_mean_of_what_it_covers(scale_x, scale_y, down, across, top, seed):
    """At any scale, larger or smaller, and for pictures full of halves that must be rounded."""
    shape = (scale_y.numerator * down, scale_x.numerator * across, 3)
    source = np.random.default_rng(seed).integers(0, top + 1, shape).astype(np.uint8)

    found = averaged(source, scale_x, scale_y)

    np.testing.assert_array_equal(found, exact_mean(source, scale_x, scale_y))


@pytest.mark.parametrize(
    "scale", ["1", "2", "4", "14/5", "7/5", "28/5", "4/5", "319/80", "512/201"]
)
def test_scales_of_real_slides(scale):
    """Many periods side by side, in a view of a wider picture, and nothing beside the result."""
    scale = Fraction(scale)
    periods = 700 // scale.numerator + 1
    canvas = np.random.default_rng(1).integers(0, 256, (40, 9, 3)).astype(np.uint8)
    side = periods * scale.numerator
    canvas = np.resize(canvas, (side, side + 5, 3))
    room = np.full((int(side / scale), int(side / scale) + 4, 3), 7, np.uint8)

    average(canvas[:, 5:], room[:, 3:-1], scale, scale)

    np.testing.assert_array_equal(room[:, 3:-1], exact_mean(canvas[:, 5:], scale, scale))
    assert (room[:, :3] == 7).all()
    assert (room[:, -1:] == 7).all()


@pytest.mark.parametrize("value", [0, 255])
def test_one_value_stays_what_it_is_at_any_scale(value):
    """Sums of more than 32 bits included, as of a whole slide averaged into one pixel."""
    scale = Fraction(6001)
    source = np.full((6001, 6001, 3), value, np.uint8)

    assert (averaged(source, scale, scale) == value).all()


def test_halves_go_up_and_what_is_just_below_does_not():
    """Also where the weights sum to so much that single precision could not tell the two apart."""
    scale = Fraction(2048)
    source = np.zeros((2048, 2048, 3), np.uint8)
    source[:, :1024, :2] = 255  # means of 127.5
    source[0, 0, 1] = 254  # and of just below

    assert averaged(source, scale, scale).tolist() == [[[128, 127, 0]]]


@pytest.mark.parametrize(
    ("source", "result", "scale"),
    [
        (np.zeros((15, 14, 3), np.uint8), np.zeros((5, 5, 3), np.uint8), "14/5"),
        (np.zeros((14, 14, 3), np.uint8), np.zeros((5, 6, 3), np.uint8), "14/5"),
        (np.zeros((14, 14, 4), np.uint8), np.zeros((5, 5, 4), np.uint8), "14/5"),
        (np.zeros((14, 14, 3), np.uint16), np.zeros((5, 5, 3), np.uint8), "14/5"),
        (np.zeros((14, 28, 3), np.uint8)[:, ::2], np.zeros((5, 5, 3), np.uint8), "14/5"),
        (np.zeros((14, 14, 3), np.uint8), np.zeros((5, 3, 5), np.uint8).swapaxes(1, 2), "14/5"),
        (np.zeros((14, 14, 3), np.uint8), np.broadcast_to(np.uint8(0), (5, 5, 3)), "14/5"),
        (np.zeros((0, 0, 3), np.uint8), np.zeros((0, 0, 3), np.uint8), str(MAX_NUMERATOR + 1)),
    ],
    ids=["half", "size", "channels", "kind", "gaps", "turned", "read-only", "numerator"],
)
def test_memory_that_does_not_fit_is_refused(source, result, scale):
    """C would read and write beyond it."""
    with pytest.raises(ValueError, match="cannot be averaged"):
        average(source, result, Fraction(scale), Fraction(scale))
