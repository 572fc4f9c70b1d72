"""Area averaging of native tiles in C against the definition, in whole numbers."""

import math
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfaseg.geometry import NativeAxis
from dfaseg.native.average import MAX_NUMERATOR, CutRow, StripMean
from tests.averaging import exact_mean

SCALES = st.fractions(min_value=Fraction(1, 9), max_value=12, max_denominator=15)


def axis_of(source_px, scale, tile_px):
    """Native tiles of a picture, and as many result px as touch it."""
    return NativeAxis(scale, math.ceil(source_px / scale), tile_px, -(-source_px // tile_px))


def averaged(source, scales, tile_sides, *, chosen=lambda cols: cols):
    """Average a picture tile by tile; what lies beyond it is white."""
    down, across = (
        axis_of(*sides) for sides in zip(source.shape, scales, tile_sides, strict=False)
    )
    height, width = down.source_px, across.source_px
    padded = np.full((height, width, 3), 255, np.uint8)
    padded[: source.shape[0], : source.shape[1]] = source
    mean, cut, found = StripMean(across, down), CutRow(across), []
    for strip in range(down.num_tiles):
        mean.begin(strip)
        rows = down.source_of(strip)
        for col in chosen(list(range(across.num_tiles))):
            cols = across.source_of(col)
            mean.add(col, padded[rows.start : rows.stop, cols.start : cols.stop])
        y, part = mean.join(cut)
        assert y == sum(map(len, found))
        found.append(part)
    return np.concatenate(found)


def exact(source, scales):
    """The same by definition, of the whole picture."""
    down, across = scales
    size = math.ceil(source.shape[0] / down), math.ceil(source.shape[1] / across)
    return exact_mean(source, across, down, size)


@settings(max_examples=200)
@given(
    st.tuples(SCALES, SCALES),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.tuples(st.integers(1, 30), st.integers(1, 30)),
    st.integers(1, 255),
    st.randoms(use_true_random=False),
)
def test_tiles_give_the_rounded_means_of_the_whole_picture(scales, sides, tile_sides, top, random):
    """At any scale, of tiles of any size, in any order.

    Tiles may lie within one result pixel, and pictures are full of halves that must be rounded.
    """
    rng = np.random.default_rng(random.randrange(99))
    source = rng.integers(0, top + 1, (*sides, 3)).astype(np.uint8)

    found = averaged(
        source, scales, tile_sides, chosen=lambda tiles: random.sample(tiles, len(tiles))
    )

    np.testing.assert_array_equal(found, exact(source, scales))


@pytest.mark.parametrize(
    "scale", ["1", "2", "4", "14/5", "7/5", "28/5", "4/5", "319/80", "512/201", "300"]
)
@pytest.mark.parametrize("tile_px", [240, 256])
def test_scales_of_real_slides(scale, tile_px):
    """With the usual tiles."""
    source = np.random.default_rng(1).integers(0, 256, (530, 700, 3)).astype(np.uint8)
    scales = Fraction(scale), Fraction(scale)

    np.testing.assert_array_equal(averaged(source, scales, (tile_px,) * 2), exact(source, scales))


@pytest.mark.parametrize("scale", ["1", "14/5", "2"])
def test_tiles_that_nobody_wants_change_no_other_pixel(scale):
    """Those that cover a part of one mean nothing; also where memory holds the strip before."""
    rng = np.random.default_rng(2)
    source = rng.integers(0, 256, (128, 128, 3)).astype(np.uint8)
    is_wanted = rng.random((4, 4)) < 0.6
    wanted = iter(is_wanted)

    found = averaged(
        source,
        (Fraction(scale),) * 2,
        (32, 32),
        chosen=lambda _: np.flatnonzero(next(wanted)).tolist(),
    )

    expected = exact(source, (Fraction(scale),) * 2)
    lacking = np.repeat(np.repeat(255 * ~is_wanted, 32, axis=0), 32, axis=1).astype(np.uint8)
    covers_one = exact(np.repeat(lacking[..., None], 3, axis=2), (Fraction(scale),) * 2) > 0
    assert 0.2 < covers_one.mean() < 0.8
    np.testing.assert_array_equal(found[~covers_one], expected[~covers_one])


def test_threads_do_not_disturb_each_other():
    """Tiles side by side share columns of the result."""
    source = np.random.default_rng(3).integers(0, 256, (64, 4096, 3)).astype(np.uint8)
    down, across = (axis_of(side, Fraction(14, 5), 16) for side in source.shape[:2])
    padded = np.full((down.source_px, across.source_px, 3), 255, np.uint8)
    padded[:64, :4096] = source
    mean, cut, found = StripMean(across, down), CutRow(across), []

    with ThreadPoolExecutor(4) as executor:
        for strip in range(down.num_tiles):
            mean.begin(strip)
            rows = down.source_of(strip)
            spans = map(across.source_of, range(across.num_tiles))
            parts = [padded[rows.start : rows.stop, cols.start : cols.stop] for cols in spans]
            list(executor.map(mean.add, range(across.num_tiles), parts))
            found.append(mean.join(cut)[1])

    expected = exact(source, (Fraction(14, 5),) * 2)
    np.testing.assert_array_equal(np.concatenate(found), expected)


@pytest.mark.parametrize("scale", ["1", "14/5", "300"])
def test_rows_of_a_tile_may_lie_apart_or_be_one_and_the_same(scale):
    """Tiles in a wider picture, and those that are white."""
    scale = Fraction(scale)
    wide = np.random.default_rng(4).integers(0, 256, (40, 90, 3)).astype(np.uint8)
    apart, same = wide[:, 20:60], np.broadcast_to(wide[:1, :40], (40, 40, 3))
    axis = NativeAxis(scale, max(1, int(40 / scale)), 40, 1)

    for source in (apart, same):
        mean = StripMean(axis, axis)
        mean.begin(0)
        padded = np.pad(source, ((0, axis.source_px - 40),) * 2 + ((0, 0),), constant_values=255)
        mean.add(0, source if axis.source_px == 40 else padded)
        _, found = mean.join(CutRow(axis))

        expected = exact_mean(source, scale, scale, (axis.length,) * 2)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("value", [0, 255])
def test_one_value_stays_what_it_is_at_any_scale(value):
    """Sums of more than 32 bits included, as of a whole slide averaged into one pixel."""
    source = np.full((6001, 6001, 3), value, np.uint8)

    found = averaged(source, (Fraction(6001),) * 2, (512, 512))

    assert found.tolist() == [[[value] * 3]]


def test_halves_go_up_and_what_is_just_below_does_not():
    """Also where the weights sum to so much that single precision could not tell the two apart."""
    source = np.zeros((2048, 2048, 3), np.uint8)
    source[:, :1024, :2] = 255  # means of 127.5
    source[0, 0, 1] = 254  # and of just below

    assert averaged(source, (Fraction(2048),) * 2, (256, 256)).tolist() == [[[128, 127, 0]]]


@pytest.mark.parametrize(
    ("across", "down"), [(128, 64), (8192, 1), (8191, 1), (2731, 3), (153, 85), (233, 57)]
)
def test_sums_on_either_side_of_a_half_are_told_apart(across, down):
    """With the most weight for which single precision will do, a little less, and more."""
    weight, means = across * down, np.arange(255, dtype=np.uint8).reshape(85, 1, 3)
    half = (weight + 1) // 2

    for num_larger, expected in ((0, means), (half - 1, means), (half, means + 1)):
        is_larger = (np.arange(weight) < num_larger).reshape(down, 1, across, 1)
        source = (means + is_larger).astype(np.uint8).reshape(down, -1, 3)
        found = averaged(source, (Fraction(down), Fraction(across)), (down, 4 * across))
        np.testing.assert_array_equal(found, expected.reshape(1, 85, 3))


@pytest.mark.parametrize("across", ["2", "32767/32766", "32769/32768"])
@pytest.mark.parametrize("down", ["256", "257", "256/255", "257/256"])
def test_scales_up_to_which_numbers_of_16_bits_will_do(across, down):
    """And those that are just beyond; black and white make the smallest and the largest sums."""
    source = np.random.default_rng(5).integers(0, 2, (600, 50, 3)).astype(np.uint8) * 255
    source[:, :20], source[:, 30:] = 0, 255
    scales = Fraction(down), Fraction(across)

    np.testing.assert_array_equal(averaged(source, scales, (300, 25)), exact(source, scales))


@pytest.mark.parametrize("width", [10, 11, 31, 32, 33])
def test_tiles_about_as_wide_as_a_block_of_sums(width):
    """Narrower ones are summed in part, others from the right in the end."""
    source = np.random.default_rng(6).integers(0, 256, (30, 3 * width, 3)).astype(np.uint8)
    scales = Fraction(14, 5), Fraction(14, 5)

    np.testing.assert_array_equal(averaged(source, scales, (16, width)), exact(source, scales))


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((15, 14, 3), np.uint8),
        np.zeros((14, 14, 4), np.uint8),
        np.zeros((14, 14, 3), np.uint16),
        np.zeros((14, 28, 3), np.uint8)[:, ::2],
        np.zeros((14, 3, 14), np.uint8).swapaxes(1, 2),
    ],
    ids=["size", "channels", "kind", "gaps", "turned"],
)
def test_pixels_that_do_not_fit_are_refused(pixels):
    """C would read beyond them."""
    axis = axis_of(28, Fraction(14, 5), 14)
    mean = StripMean(axis, axis)
    mean.begin(0)

    with pytest.raises(ValueError, match="cannot be averaged"):
        mean.add(0, pixels)


def test_scale_whose_sums_would_not_be_exact_is_refused():
    """None that a plan asks for."""
    axis = axis_of(28, Fraction(MAX_NUMERATOR + 1), 14)

    with pytest.raises(ValueError, match="cannot be averaged exactly"):
        StripMean(axis, axis)
