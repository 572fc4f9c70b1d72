"""Rectangles: the algebra that everything else counts on."""

import numpy as np
import pytest
from hypothesis import given

from dfaseg.errors import ConfigError
from dfaseg.geometry import Rect
from tests.strategies import rects


def test_slices_are_rows_then_columns():
    """A rectangle indexes an array as (rows, columns)."""
    array = np.arange(20).reshape(4, 5)

    part = array[Rect(x=1, y=2, width=3, height=1).slices]

    assert part.tolist() == [[11, 12, 13]]


@given(rects, rects)
def test_intersection_is_symmetric_and_inside_both(first, second):
    """What two rectangles share lies in both, whichever is asked."""
    shared = first.intersection(second)

    assert shared == second.intersection(first)
    assert shared.area <= min(first.area, second.area)


@given(rects)
def test_intersection_with_itself_is_itself(rect):
    """A rectangle shares all of itself with itself."""
    assert rect.intersection(rect) == rect


def test_negative_side_is_refused():
    """A rectangle cannot have negative sides."""
    with pytest.raises(ConfigError, match="must not be negative"):
        Rect(0, 0, -1, 2)
