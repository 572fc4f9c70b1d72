"""Polygons filled at pixel centres."""

import numpy as np
import pytest
import shapely

from dfaseg.annotation import rasterize


def test_square_fills_its_pixels() -> None:
    """Integer corners lie on pixel edges; the rest keeps the background."""
    square = np.array([[1, 1], [3, 1], [3, 2], [1, 2]])
    assert rasterize([(4, [square])], 4, 3, background=9).tolist() == [
        [9, 9, 9, 9],
        [9, 4, 4, 9],
        [9, 9, 9, 9],
    ]


def test_closed_and_open_rings_are_the_same() -> None:
    """A repeated first vertex adds an edge of no length."""
    ring = np.array([[0, 0], [3, 0], [0, 3.0]])
    closed = np.concatenate([ring, ring[:1]])
    assert np.array_equal(rasterize([(1, [ring])], 4, 4), rasterize([(1, [closed])], 4, 4))


def test_hole_is_left_out_and_later_shapes_cover() -> None:
    """Even-odd over the rings of one polygon; polygons one over another."""
    outer, inner = (
        np.array([[0, 0], [3, 0], [3, 3], [0, 3]]),
        np.array([[1, 1], [2, 1], [2, 2], [1, 2]]),
    )
    mask = rasterize([(1, [outer, inner]), (2, [inner])], 3, 3)
    assert mask.tolist() == [[1, 1, 1], [1, 2, 1], [1, 1, 1]]


@pytest.mark.parametrize("shift", [-2, 2, 9, -9])
def test_parts_outside_are_cut_off(shift: int) -> None:
    """Only what lies in the image is filled."""
    square = np.array([[0, 0], [4, 0], [4, 4], [0, 4]]) + shift
    inside = max(0, 4 - abs(shift)) ** 2
    assert (rasterize([(1, [square])], 4, 4) == 1).sum() == inside


def test_slanted_polygon_holds_the_centres_that_shapely_finds() -> None:
    """A random star against the point-in-polygon test of GEOS."""
    rng = np.random.default_rng(3)
    angle = np.linspace(0, 2 * np.pi, 17)[:-1]
    star = 20 + rng.uniform(3, 19, 16)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    rows, cols = np.mgrid[:40, :40] + 0.5
    expected = shapely.contains_xy(shapely.Polygon(star), cols, rows)
    assert np.array_equal(rasterize([(1, [star])], 40, 40) == 1, expected)


def test_neighbours_on_pixel_centres_neither_overlap_nor_gap() -> None:
    """A shared edge through centres gives each pixel to one polygon only."""
    left = np.array([[0, 0], [1.5, 0], [1.5, 3], [0, 3]])
    right = np.array([[1.5, 0], [3, 0], [3, 3], [1.5, 3]])
    one, two = (rasterize([(1, [ring])], 3, 3) == 1 for ring in (left, right))
    assert (one ^ two).all()
