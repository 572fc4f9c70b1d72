"""Filling in C against the even-odd rule, pixel by pixel."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfaseg.native import fill as module
from dfaseg.native.fill import fill_shapes

QUARTERS = st.integers(-12, 60).map(lambda number: number / 4)
RINGS = st.lists(st.tuples(QUARTERS, QUARTERS), min_size=1, max_size=7)
SHAPES = st.lists(st.tuples(st.integers(-1, 255), st.lists(RINGS, max_size=2)), max_size=4)


def arrays_of(shapes):
    """Values, bounds and edges as the code under test takes them."""
    starts, ends, bounds = [], [], [0]
    for _, rings in shapes:
        for ring in rings:
            starts += ring
            ends += ring[1:] + ring[:1]
        bounds.append(len(starts))
    edges = tuple(np.array(points, np.float64).reshape(-1, 2) for points in (starts, ends))
    return np.array([value for value, _ in shapes], np.int16), np.array(bounds), edges


def is_inside(rings, col, row):
    """Whether an odd number of edges, crossed in doubles, lies left of a centre or on it."""
    y = row + 0.5
    inside = False
    for ring in rings:
        for start, end in zip(ring, ring[1:] + ring[:1], strict=True):
            (x0, y0), (x1, y1) = (start, end) if start[1] <= end[1] else (end, start)
            if y0 <= y < y1 and math.ceil(x0 + (y - y0) / (y1 - y0) * (x1 - x0) - 0.5) <= col:
                inside = not inside
    return inside


@pytest.mark.parametrize("words", [1, 3, 1 << 14], ids=["row by row", "bands", "at once"])
@settings(max_examples=60)
@given(SHAPES, st.integers(-3, 9), st.integers(-3, 9))
def test_pixels_have_the_last_shape_that_holds_their_centre(words, shapes, left, top):
    """In any part of a mask, with holes, in shapes that cross themselves, and outside the part."""
    room = np.full((9, 13), 77, np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_LEAST_WORDS", words)
        fill_shapes(room[1:-1, 2:-1], *arrays_of(shapes), (left, top))

    expected = np.full((9, 13), 77, np.uint8)
    for row, col in np.ndindex(7, 10):
        for value, rings in shapes:
            if value >= 0 and is_inside(rings, left + col, top + row):
                expected[1 + row, 2 + col] = value
    np.testing.assert_array_equal(room, expected)


def test_wide_masks_have_room_for_a_row():
    """However wide, and whatever is left of a word at its end."""
    for width in (63, 64, 65, 64 * module._LEAST_WORDS + 5):
        mask = np.zeros((2, width), np.uint8)
        square = [(1, 0), (width - 1, 0), (width - 1, 9), (1, 9)]

        fill_shapes(mask, *arrays_of([(5, [square])]))

        assert (mask[:, 1:-1] == 5).all()
        assert not mask[:, [0, -1]].any()


def test_places_far_away_and_those_that_are_none_do_no_harm():
    """Numbers beyond any whole number's range, infinite ones and NaN."""
    for odd in (1e300, -1e300, np.inf, -np.inf, np.nan):
        mask = np.zeros((8, 8), np.uint8)
        fill_shapes(mask, *arrays_of([(1, [[(odd, 1), (6, odd), (odd, odd)]])]))

        fill_shapes(mask, *arrays_of([(2, [[(0, 0), (8, 0), (8, 8), (0, 8)]])]))

        assert (mask == 2).all()


@pytest.mark.parametrize(
    "wrong", ["values", "bounds", "order", "edges", "few", "mask", "read-only"]
)
def test_arrays_that_do_not_fit_are_refused(wrong):
    """C would read and write beyond them."""
    mask = np.zeros((4, 4), np.uint8)
    values, bounds, edges = arrays_of([(1, [[(0, 0), (4, 0), (0, 4)]])])
    if wrong == "values":
        values = values.astype(np.int32)
    elif wrong == "bounds":
        bounds = bounds[:-1]
    elif wrong == "order":
        bounds = bounds[::-1].copy()
    elif wrong == "edges":
        edges = edges[0], edges[1][:-1]
    elif wrong == "few":
        bounds[-1] += 1
    elif wrong == "mask":
        mask = mask.T[:, ::2]
    else:
        mask.flags.writeable = False

    with pytest.raises(ValueError, match="do not fit"):
        fill_shapes(mask, values, bounds, edges)
