"""Pieces of a mask by runs: those that OpenCV finds by numbering all pixels."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfaseg.tiler.pieces import Pieces


def mask_of(*rows: str) -> np.ndarray:
    """Return a mask drawn with letters; dots are not in it."""
    return np.array([[letter != "." for letter in row] for row in rows])


@given(st.integers(1, 12), st.integers(1, 12), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_pieces_are_those_of_opencv(height: int, width: int, share: float, seed: int) -> None:
    """As many, with the same areas, at the border or not, and with the same pixels."""
    mask = np.random.default_rng(seed).random((height, width)) < share
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=4)
    border = {*labels[[0, -1]].flat, *labels[:, [0, -1]].flat}

    pieces = Pieces.of(mask)

    found = []
    for number, (area, at_border) in enumerate(zip(pieces.area, pieces.at_border, strict=True)):
        selected = pieces.select(np.arange(len(pieces.area)) == number)
        (label,) = set(labels[selected].tolist())
        np.testing.assert_array_equal(selected, labels == label)
        assert area == stats[label, cv2.CC_STAT_AREA]
        assert at_border == (label in border)
        found.append(label)
    assert sorted(found) == list(range(1, len(stats)))


def test_pieces_come_in_the_order_of_their_first_pixels() -> None:
    """Runs that are joined further down are one piece from its first pixel on."""
    pieces = Pieces.of(mask_of("a.b.a", "a...a", "aaaaa", ".....", "cc..."))

    assert pieces.area.tolist() == [9, 1, 2]
    assert pieces.at_border.tolist() == [True, True, True]


def test_pieces_that_touch_at_corners_are_apart() -> None:
    """Only edges join."""
    pieces = Pieces.of(mask_of(".....", ".a...", "..b..", "....."))

    assert pieces.area.tolist() == [1, 1]
    assert not pieces.at_border.any()


@pytest.mark.parametrize("value", [False, True])
def test_pictures_of_one_kind(value: bool) -> None:
    """Nothing is no piece, and all is one."""
    mask = np.full((5, 7), value)

    pieces = Pieces.of(mask)

    assert pieces.area.tolist() == [35] * value
    np.testing.assert_array_equal(pieces.select(np.ones(int(value), bool)), mask)
    assert not pieces.select(np.zeros(int(value), bool)).any()
