"""Area resampling against the definition, in exact arithmetic."""

from fractions import Fraction

import numpy as np
import pytest

from dfaseg.tiler.resample import resample_block


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

    resample_block(source, scale, scale, out)

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

    resample_block(source, scale, scale, out)

    assert (out == 255).all()


def test_writes_into_a_view_of_a_larger_array():
    """Blocks are written in place, side by side."""
    source = np.full((6, 6, 3), 90, np.uint8)
    canvas = np.zeros((3, 9, 3), np.uint8)

    resample_block(source, Fraction(2), Fraction(2), canvas[:, 3:6])

    assert (canvas[:, 3:6] == 90).all()
    assert canvas.sum() == 90 * 27
