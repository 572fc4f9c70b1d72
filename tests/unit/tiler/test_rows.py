"""Rows at the wanted resolution: right pixels, each native tile once, bad tiles told."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Lock

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dfaseg.slide import ArraySlide
from dfaseg.slide.turbo_jpeg import shrunk
from dfaseg.tiler.plan import plan_reading
from dfaseg.tiler.rows import RowReader
from tests.averaging import exact_mean


class CountingSlide:
    """A slide that counts how often each tile is decoded."""

    def __init__(self, slide):
        self._slide = slide
        self._lock = Lock()
        self.info = slide.info
        self.reads = {}

    def read_tile(self, level, col, row):
        """Decode one tile and note that."""
        with self._lock:
            self.reads[col, row] = self.reads.get((col, row), 0) + 1
        return self._slide.read_tile(level, col, row)

    def close(self):
        """Close the slide."""
        self._slide.close()


class ReducingArraySlide(ArraySlide):
    """A slide in memory that averages tiles, as a codec that decodes them smaller nearly does."""

    def read_reduced_tile(self, level, col, row, reduction):
        """Average one tile."""
        return shrunk(self.read_tile(level, col, row), reduction)


def reduction_of(tile_px):
    """Return a factor that divides the tile and the scale of 4."""
    return 4 if tile_px % 16 else 2


def picture(height, width, seed=0):
    """Smooth random colours."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 1.5)


def read_all(slide, plan, *, first_row=0, needed=None, workers=2):
    """Read the rows from ``first_row`` on; earlier rows are cut off."""
    with ThreadPoolExecutor(workers) as executor:
        reader = RowReader(slide, plan, executor, needed, num_workers=workers)
        strips = list(reader.strips(first_row))
    rows = np.concatenate([strip.pixels for strip in strips])
    return rows[first_row - strips[0].y :], reader


@settings(max_examples=25)
@given(
    st.integers(1, 150),
    st.integers(1, 150),
    st.integers(8, 70),
    st.floats(0.5, 5.0),
    st.integers(0, 2**16),
)
def test_strips_equal_the_whole_picture_resampled(height, width, tile_px, mpp, seed):
    """Cutting a slide into tiles and strips changes nothing, and each tile is decoded once."""
    assume(max(height, width) * 0.5 >= mpp)  # something is left
    pixels = picture(height, width, seed)
    slide = CountingSlide(ArraySlide(pixels, mpp=0.5, tile_px=tile_px))
    plan = plan_reading(slide.info, mpp)

    rows, _ = read_all(slide, plan)

    expected = exact_mean(pixels, plan.scale_x, plan.scale_y, (plan.height, plan.width))
    assert np.array_equal(rows, expected)
    level = slide.info.levels[0]
    assert len(slide.reads) == level.num_tile_cols * level.num_tile_rows
    assert set(slide.reads.values()) == {1}


@pytest.mark.parametrize("most_ahead", [0, 1])
@pytest.mark.parametrize("mpp", [0.5, 1.4, 4.0])
def test_rows_do_not_depend_on_how_far_ahead_tiles_are_decoded(mpp, most_ahead):
    """Where memory is short, fewer strips wait."""
    slide = ArraySlide(picture(120, 90), mpp=0.5, tile_px=16)
    plan = plan_reading(slide.info, mpp)
    usual, _ = read_all(slide, plan)

    with ThreadPoolExecutor(2) as executor:
        reader = RowReader(slide, plan, executor, num_workers=2, most_ahead=most_ahead)
        rows = np.concatenate([strip.pixels for strip in reader.strips()])

    assert np.array_equal(rows, usual)


@settings(max_examples=25)
@given(st.floats(0.45, 4.0), st.integers(8, 40), st.integers(1, 4), st.data())
def test_rows_do_not_depend_on_where_reading_begins(mpp, tile_px, workers, data):
    """A run that goes on in the middle sees the very same bytes."""
    slide = ArraySlide(picture(120, 90), mpp=0.5, tile_px=tile_px)
    plan = plan_reading(slide.info, mpp)
    first_row = data.draw(st.integers(0, plan.height - 1))

    whole, _ = read_all(slide, plan, workers=1)
    rest, _ = read_all(slide, plan, first_row=first_row, workers=workers)

    assert np.array_equal(whole[first_row:], rest)


@settings(max_examples=15)
@given(
    st.integers(70, 150), st.integers(70, 150), st.sampled_from([16, 24, 40]), st.integers(0, 60)
)
def test_smaller_tiles_give_the_same_frame(height, width, tile_px, first_row):
    """Rows of tiles that are decoded smaller lie where those of whole tiles do."""
    slide = ReducingArraySlide(picture(height, width), mpp=0.5, tile_px=tile_px)
    exact = plan_reading(slide.info, 2.0, decoding="full")
    plan = replace(exact, reduction=reduction_of(tile_px))
    first_row = min(first_row, plan.height - 1)

    expected, _ = read_all(slide, exact)
    rows, _ = read_all(slide, plan, workers=1)
    rest, _ = read_all(slide, plan, first_row=first_row, workers=3)

    # Means of means, each rounded.
    assert rows.shape == expected.shape
    assert np.abs(rows.astype(int) - expected).max() <= 1
    assert np.array_equal(rows[first_row:], rest)


def test_tiles_nobody_needs_are_not_decoded():
    """Glass costs nothing."""
    slide = CountingSlide(ArraySlide(np.zeros((64, 64, 3), np.uint8), mpp=0.5, tile_px=16))
    needed = np.zeros((4, 4), bool)
    needed[1, 2] = True

    rows, _ = read_all(slide, plan_reading(slide.info, 0.5), needed=needed)

    assert slide.reads == {(2, 1): 1}
    assert (rows[16:32, 32:48] == 0).all()


def test_missing_tile_is_white():
    """Where a sparse slide stores nothing, there is glass."""
    slide = ArraySlide(np.zeros((32, 32, 3), np.uint8), mpp=0.5, tile_px=16, missing=[(0, 1, 0)])

    rows, reader = read_all(slide, plan_reading(slide.info, 0.5))

    assert (rows[:16, 16:] == 255).all()
    assert (rows[16:] == 0).all()
    assert reader.take_unreadable() == {}


def test_failing_tile_is_white_and_reported():
    """One bad tile does not stop the slide."""
    slide = ArraySlide(np.zeros((32, 32, 3), np.uint8), mpp=0.5, tile_px=16, failing=[(0, 0, 1)])

    rows, reader = read_all(slide, plan_reading(slide.info, 1.0))

    assert list(reader.take_unreadable()) == [(0, 1)]
    assert reader.take_unreadable() == {}
    assert (rows[8:, :8] == 255).all()
    assert (rows[:8] == 0).all()


def test_other_errors_reach_the_caller():
    """What is not a bad tile is not swallowed."""
    slide = CountingSlide(ArraySlide(np.zeros((32, 32, 3), np.uint8), mpp=0.5, tile_px=16))
    slide.read_tile = lambda *_: 1 / 0

    with pytest.raises(ZeroDivisionError):
        read_all(slide, plan_reading(slide.info, 0.5))
