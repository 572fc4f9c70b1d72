"""Vertices written as JSON in C."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfaseg.native.text import CLOSES, IS_LAST, OPENS, CoordinateTexts, write_vertices

AXES = (
    CoordinateTexts.of([f"{number}.25" for number in range(50)]),
    CoordinateTexts.of([str(number * 10**15) for number in range(50)]),  # longer than eight bytes
)
POINTS = st.lists(st.tuples(st.integers(0, 49), st.integers(0, 49)), min_size=1, max_size=9)


def closed(rings, *, lasts=()):
    """Return the vertices of rings, each with its first at its end, and their marks."""
    vertices = np.array([point for ring in rings for point in (*ring, ring[0])], np.int32)
    ends = np.cumsum([len(ring) + 1 for ring in rings]) - 1
    marks = np.zeros(len(vertices), np.uint8)
    marks[[0, *(ends[:-1] + 1)]] = OPENS
    marks[ends] |= CLOSES
    marks[ends[list(lasts)]] |= IS_LAST
    return vertices, marks


@given(st.lists(POINTS, min_size=1, max_size=6), st.booleans())
def test_rings_are_read_back(rings, repeats_first):
    """Whatever the length of rings and of texts, with or without the first vertex at the end."""
    text = write_vertices(*closed(rings), AXES, repeats_first=repeats_first)

    read = json.loads(b"[" + text[:-1] + b"]")
    expected = [[[x + 0.25, y * 10**15] for x, y in ring] for ring in rings]
    assert read == [ring + ring[:1] * repeats_first for ring in expected]


def test_the_last_ring_of_a_polygon_ends_its_line():
    """So that the rings of many polygons can be told apart."""
    square = [(0, 1), (2, 1), (2, 3)]

    text = write_vertices(*closed([square] * 4, lasts=(0, 2)), AXES, repeats_first=False)

    assert [line.count(b"]]") for line in text.split(b"\n")] == [1, 2, 1]


def test_a_ring_may_come_in_parts():
    """What opens it and what closes it may be far apart."""
    vertices, marks = closed([[(0, 0), (1, 0), (1, 1)]])

    parts = [
        write_vertices(vertices[part], marks[part], AXES, repeats_first=True)
        for part in (slice(2), slice(2, 2), slice(2, None))
    ]

    assert b"".join(parts) == write_vertices(vertices, marks, AXES, repeats_first=True)


@pytest.mark.parametrize(
    ("vertices", "marks", "message"),
    [
        (np.array([[50, 0]], np.int32), np.zeros(1, np.uint8), "beyond"),
        (np.array([[0, 50]], np.int32), np.zeros(1, np.uint8), "beyond"),
        (np.array([[-1, 0]], np.int32), np.zeros(1, np.uint8), "beyond"),
        (np.array([[0, 0]], np.int32), np.zeros(2, np.uint8), "for vertices"),
        (np.array([[0, 0]], np.int64), np.zeros(1, np.uint8), "for vertices"),
        (np.array([0, 0], np.int32), np.zeros(2, np.uint8), "for vertices"),
    ],
)
def test_vertices_that_cannot_be_written_are_refused(vertices, marks, message):
    """They would be read beyond the end."""
    with pytest.raises(ValueError, match=message):
        write_vertices(vertices, marks, AXES, repeats_first=True)


def test_a_coordinate_of_many_letters_is_refused():
    """Its length would not fit."""
    with pytest.raises(ValueError, match="256 letters"):
        CoordinateTexts.of(["0" * 256])
