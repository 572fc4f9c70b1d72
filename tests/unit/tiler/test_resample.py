"""Area resampling against the definition, in exact arithmetic."""

from fractions import Fraction

import numpy as np
import pytest

from dfaseg.tiler.resample import resampler


def area_weights(size, scale):
    """Weights (result px, source px) of the mean over each result pixel's extent."""
    weights = np.zeros((int(size / scale), size))
    for row in range(len(weights)):
        start, stop = row * scale, (row + 1) * scale
        for col in range(int(start), min(size, int(stop) + 1)):
            weights[row, col] = max(0.0, float(min(stop, col + 1) - max(start, col)) / float(scale))
    return weights


@pytest.mark.parametrize(
    ("scale", "tolerance"),
    [
        (Fraction(1), 0.0),
        (Fraction(2), 0.501),
        (Fraction(3), 0.5),
        (Fraction(14, 5), 0.5),
        (Fraction(7, 5), 0.5),
        (Fraction(18, 13), 0.504),
        (Fraction(50, 9), 0.504),
        (Fraction(257, 100), 0.503),
        (Fraction(260, 101), 0.501),
        (Fraction(4, 5), 1.01),
        (Fraction(9, 10), 1.01),
    ],
    ids=[
        "same",
        "2",
        "3",
        "14/5",
        "7/5",
        "18/13",
        "50/9",
        "257/100",
        "260/101",
        "enlarged",
        "barely enlarged",
    ],
)
def test_result_is_the_mean_of_what_it_covers(scale, tolerance):
    """Every result pixel is the rounded area mean (enlarging may be rounded per axis)."""
    side = scale.numerator * (60 // scale.numerator + 1)
    source = np.random.default_rng(0).integers(0, 256, (side, side, 3)).astype(np.uint8)
    out = np.zeros((int(side / scale), int(side / scale), 3), np.uint8)

    resampler(scale, scale)(source, out)

    weights = area_weights(side, scale)
    expected = np.einsum("ij,jkc,lk->ilc", weights, source.astype(float), weights)
    assert np.abs(out - expected).max() <= tolerance


@pytest.mark.parametrize(
    "scale", [Fraction(14, 5), Fraction(16), Fraction(256, 99), Fraction(257, 100)]
)
def test_white_stays_white(scale):
    """The largest sums have room, that of half a weight for rounding included."""
    side = scale.numerator
    source = np.full((side, side, 3), 255, np.uint8)
    out = np.zeros((scale.denominator, scale.denominator, 3), np.uint8)

    resampler(scale, scale)(source, out)

    assert (out == 255).all()


@pytest.mark.parametrize(
    ("scale_x", "scale_y"),
    [
        (Fraction(14, 5), Fraction(14, 5)),
        (Fraction(16, 15), Fraction(16, 15)),
        (Fraction(3), Fraction(7, 5)),
        (Fraction(9, 4), Fraction(28, 3)),
        (Fraction(8), Fraction(8)),
    ],
    ids=str,
)
def test_ties_are_rounded_up(scale_x, scale_y):
    """The result is the exact mean, rounded half up, whatever the block's size and place."""
    width, height = scale_x.numerator * 170, scale_y.numerator * 4
    canvas = np.random.default_rng(1).integers(0, 256, (height, width + 5, 3)).astype(np.uint8)
    source = canvas[:, 5:]
    room = np.zeros((int(height / scale_y), int(width / scale_x) + 3, 3), np.uint8)

    resampler(scale_x, scale_y)(source, room[:, 3:])

    weights_y, weights_x = area_weights(height, scale_y), area_weights(width, scale_x)
    weight = scale_x.numerator * scale_y.numerator
    rows = np.tensordot(weights_y, source.astype(float), 1)
    means = np.einsum("ikc,lk->ilc", rows, weights_x, optimize=True)
    sums = np.rint(means * weight).astype(int)
    np.testing.assert_array_equal(room[:, 3:], (sums + weight // 2) // weight)
    assert (room[:, :3] == 0).all()


def test_writes_into_a_view_of_a_larger_array():
    """Blocks are written in place, side by side."""
    source = np.full((6, 6, 3), 90, np.uint8)
    canvas = np.zeros((3, 9, 3), np.uint8)

    resampler(Fraction(2), Fraction(2))(source, canvas[:, 3:6])

    assert (canvas[:, 3:6] == 90).all()
    assert canvas.sum() == 90 * 27
