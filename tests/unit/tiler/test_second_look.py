"""A slide is repaired where tiles that could not be decoded can be now."""

import numpy as np
import pytest

from dfaseg.slide.array import ArraySlide
from dfaseg.tiler.plan import plan_reading
from dfaseg.tiler.second_look import MOST_TRIED, is_repaired

PIXELS = np.full((96, 96, 3), 200, np.uint8)
ALL = [(col, row) for row in range(6) for col in range(6)]


def look(still_failing, tiles=ALL):
    """Ask for tiles of a slide of 36, of which some still fail."""
    failing = [(0, col, row) for col, row in still_failing]
    slide = ArraySlide(PIXELS, tile_px=16, failing=failing)
    return is_repaired(slide, plan_reading(slide.info, 0.5), tiles)


@pytest.mark.parametrize(
    ("still_failing", "expected"),
    [(ALL, False), ([], True), (ALL[18:], True), (ALL[:18], True)],
    ids=["all fail", "none fails", "first half can be read", "second half can be read"],
)
def test_any_tile_that_can_be_decoded_tells(still_failing, expected):
    """Wherever it lies; files may be repaired in part."""
    assert look(still_failing) is expected


def test_slide_of_which_all_could_be_decoded_is_not_repaired():
    """There is nothing to ask for."""
    assert look([], tiles=[]) is False


def test_few_of_many_tiles_are_asked_for(monkeypatch):
    """Over a slide that was cut short each would fail."""
    asked = []
    read_tile = ArraySlide.read_tile
    monkeypatch.setattr(
        ArraySlide,
        "read_tile",
        lambda slide, *address: asked.append(address) or read_tile(slide, *address),
    )

    look(ALL)

    assert 2 < len(asked) <= MOST_TRIED
    assert asked[-1][2] == 5
