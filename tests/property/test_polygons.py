"""Laws of polygons: exact, valid, one per region, whatever way the mask arrives."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import ndimage

from dfaseg import analysed
from dfaseg.annotation import GeoJsonWriter, Polygonizer, RegionPolygon, rasterize, spool
from dfaseg.classmap import IGNORE_INDEX
from tests.outlines import cut_rows, parse_mask, polygonize, rings_of, spec, write_geojson

Mask = NDArray[np.uint8]

SPIRAL = parse_mask("0000000\n0111110\n0100010\n0101010\n0101110\n0100000\n0111111")
TOUCHING_C = parse_mask("11110\n10010\n10101\n10010\n11110")
CHAIN_OF_PINCHES = parse_mask("010101\n101010\n010101\n111111")
ISLANDS = parse_mask("0000000\n0111110\n0100010\n0102010\n0100010\n0111110\n0000000")
HOLE_PINCHED = parse_mask("11111\n10111\n11011\n11101\n11111")


def masks() -> st.SearchStrategy[Mask]:
    """Small masks of two to four classes, with and without pixels that are not analysed."""
    labels = st.sampled_from([(0, 1), (0, IGNORE_INDEX), (0, 1, 2), (0, 1, 2, IGNORE_INDEX)])
    shapes = st.tuples(st.integers(1, 24), st.integers(1, 24))
    return st.tuples(labels, shapes).flatmap(
        lambda drawn: hnp.arrays(np.uint8, drawn[1], elements=st.sampled_from(drawn[0]))
    )


quick = settings(max_examples=40)
cuts = st.lists(st.integers(1, 23), max_size=5)


def nasty(test: Callable[..., None]) -> Callable[..., None]:
    """Add the hand-picked masks to a law."""
    for mask in (SPIRAL, TOUCHING_C, CHAIN_OF_PINCHES, ISLANDS, HOLE_PINCHED):
        test = example(mask=mask, cuts=list(range(1, 24, 2)))(test)
    return test


@nasty
@quick
@given(mask=masks(), cuts=cuts)
def test_polygons_rasterise_back_to_the_mask(mask: Mask, cuts: list[int]) -> None:
    """Every pixel of every class is given back, and nothing else is filled."""
    polygons = polygonize(mask, cuts)
    shapes = [(polygon.class_index, rings_of(polygon)) for polygon in polygons]
    assert np.array_equal(rasterize(shapes, mask.shape[1], mask.shape[0]), mask)


@nasty
@quick
@given(mask=masks(), cuts=cuts)
def test_polygons_are_valid_and_as_large_as_their_regions(mask: Mask, cuts: list[int]) -> None:
    """Rings are simple, polygons valid, corners real, areas and first pixels those of regions."""
    for polygon in polygonize(mask, cuts):
        outline = shapely.Polygon(*_shell_and_holes(polygon))
        assert outline.is_valid, shapely.is_valid_reason(outline)
        assert outline.area == polygon.num_pixels
        for ring in rings_of(polygon):
            assert shapely.LinearRing(ring).is_simple
            steps = np.diff(ring, axis=0, append=ring[:1])
            assert np.array_equal(steps[:, 0] == 0, np.arange(len(ring)) % 2 == 1)
            assert np.array_equal(steps[:, 1] == 0, np.arange(len(ring)) % 2 == 0)
        x, y = polygon.first_pixel
        assert mask[y, x] == polygon.class_index
        assert (y, x) == tuple(min((v[1], v[0]) for v in polygon.exterior.tolist()))


@nasty
@quick
@given(mask=masks(), cuts=cuts)
def test_one_polygon_per_connected_region(mask: Mask, cuts: list[int]) -> None:
    """Polygons are the 4-connected regions that SciPy finds, with as many pixels."""
    polygons = polygonize(mask, cuts)
    for class_index in set(np.unique(mask).tolist()) - {IGNORE_INDEX}:
        labels, count = ndimage.label(mask == class_index)
        of_class = [polygon for polygon in polygons if polygon.class_index == class_index]
        found = {
            int(labels[one.first_pixel[1], one.first_pixel[0]]): one.num_pixels for one in of_class
        }
        assert len(of_class) == len(found) == count
        assert [found[label] for label in range(1, count + 1)] == np.bincount(
            labels.ravel(), minlength=count + 1
        )[1:].tolist()


@nasty
@settings(quick, max_examples=20)
@given(mask=masks(), cuts=cuts)
def test_cutting_the_mask_into_strips_changes_nothing(mask: Mask, cuts: list[int]) -> None:
    """Order, first vertices and holes are the same for one strip, some, and single rows."""
    whole = [_as_plain(polygon) for polygon in polygonize(mask)]
    assert [_as_plain(polygon) for polygon in polygonize(mask, cuts)] == whole
    assert [_as_plain(polygon) for polygon in polygonize(mask, range(1, len(mask)))] == whole


@nasty
@settings(quick, max_examples=30)
@given(mask=masks(), cuts=cuts)
def test_columns_of_glass_may_be_left_out(mask: Mask, cuts: list[int]) -> None:
    """Each piece between two columns of 255 by itself, or all columns, gives the same."""
    with mock.patch.object(analysed, "_LEAST_GAP_PX", mask.shape[1]):
        whole = [_as_plain(polygon) for polygon in polygonize(mask, cuts)]
    with mock.patch.object(analysed, "_LEAST_GAP_PX", 1):
        assert [_as_plain(polygon) for polygon in polygonize(mask, cuts)] == whole


@nasty
@settings(quick, max_examples=20)
@given(mask=masks(), cuts=cuts)
def test_borders_may_come_from_memory_or_from_disk(mask: Mask, cuts: list[int]) -> None:
    """How many records of the spool are kept in memory changes nothing."""
    whole = [_as_plain(polygon) for polygon in polygonize(mask, cuts)]
    with mock.patch.object(spool, "_RECENT_RECORDS", 3):
        assert [_as_plain(polygon) for polygon in polygonize(mask, cuts)] == whole


@settings(quick, max_examples=15)
@given(mask=hnp.arrays(np.uint8, (9, 9), elements=st.sampled_from([0, 1, IGNORE_INDEX])))
def test_polygons_equal_the_union_of_their_pixels(mask: Mask) -> None:
    """A second way to the same shapes: all pixels as squares, united by GEOS."""
    for polygon in polygonize(mask, [3, 4]):
        labels, _ = ndimage.label(mask == polygon.class_index)
        x, y = polygon.first_pixel
        rows, cols = np.nonzero(labels == labels[y, x])
        squares = shapely.box(cols, rows, cols + 1, rows + 1)
        assert shapely.equals(
            shapely.union_all(squares), shapely.Polygon(*_shell_and_holes(polygon))
        )


@settings(quick, max_examples=20)
@given(mask=masks(), data=st.data())
def test_a_killed_run_ends_with_the_same_bytes(mask: Mask, data: st.DataObject) -> None:
    """Work after the saved state is lost; the resumed run writes what the whole run writes."""
    kill = data.draw(st.integers(0, len(mask)))
    lost = data.draw(st.integers(0, 3))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = write_geojson(mask, folder / "whole", spec(), [len(mask) // 2])
        rows = cut_rows(mask, range(1, len(mask)))
        writer = GeoJsonWriter(folder / "part", spec())
        with Polygonizer(mask.shape[1], spool=folder / "spool") as polygonizer:
            for row in rows[:kill]:
                writer.write(polygonizer.add_rows(row))
            saved = polygonizer.state(), writer.state()
            for row in rows[kill : kill + lost]:
                writer.write(polygonizer.add_rows(row))
        writer.abandon()

        with (
            Polygonizer(mask.shape[1], spool=folder / "spool") as polygonizer,
            GeoJsonWriter(folder / "part", spec(), state=saved[1]) as resumed,
        ):
            polygonizer.restore(saved[0])
            for row in rows[polygonizer.next_row :]:
                resumed.write(polygonizer.add_rows(row))
            resumed.write(polygonizer.finish())
        assert (folder / "part").read_bytes() == whole


def _shell_and_holes(
    polygon: RegionPolygon,
) -> tuple[NDArray[np.int32], list[NDArray[np.int32]]]:
    return polygon.exterior, list(polygon.holes)


def _as_plain(polygon: RegionPolygon) -> tuple[object, ...]:
    rings = [ring.tolist() for ring in rings_of(polygon)]
    return polygon.class_index, polygon.num_pixels, polygon.first_pixel, rings
