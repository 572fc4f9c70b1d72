"""Shapes with a name, traced exactly; and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import shapely

from dfaseg.annotation import Polygonizer
from dfaseg.errors import ConfigError, OutputError
from tests.outlines import parse_mask, polygonize, rings_of, spec, write_geojson

EVERY_ROW = range(1, 100)


def test_single_pixel_is_a_square() -> None:
    """One pixel has four corners, clockwise on the screen from its top left."""
    (polygon,) = polygonize(parse_mask("...\n.1.\n..."))
    assert polygon.exterior.tolist() == [[1, 1], [2, 1], [2, 2], [1, 2]]
    assert (polygon.class_index, polygon.num_pixels, polygon.first_pixel) == (1, 1, (1, 1))
    assert polygon.holes == ()


def test_straight_sides_keep_only_their_ends() -> None:
    """A rectangle of any size has four vertices, also across strips."""
    (polygon,) = polygonize(np.zeros((9, 5), np.uint8), EVERY_ROW)
    assert polygon.exterior.tolist() == [[0, 0], [5, 0], [5, 9], [0, 9]]


def test_mask_without_analysed_pixels_has_no_polygon() -> None:
    """Class 255 is not traced, so an empty slide gives nothing."""
    assert polygonize(np.full((6, 7), 255, np.uint8), EVERY_ROW) == []


def test_pixels_that_meet_diagonally_are_two_regions() -> None:
    """Regions are 4-connected: corners do not join."""
    polygons = polygonize(parse_mask("1.\n.1"))
    assert [polygon.first_pixel for polygon in polygons] == [(0, 0), (1, 1)]


def test_checkerboard_is_all_single_pixels() -> None:
    """At every inner vertex four regions meet, and none leaks into another."""
    mask = np.indices((6, 6)).sum(axis=0).astype(np.uint8) % 2
    polygons = polygonize(mask, [2, 3])
    assert len(polygons) == 36
    assert {len(polygon.exterior) for polygon in polygons} == {4}


def test_one_pixel_bridge_joins_two_blocks() -> None:
    """The blocks and the bridge between them are one region of twelve corners."""
    (polygon,) = polygonize(parse_mask("11.11\n11111\n11.11"), EVERY_ROW)
    assert (polygon.num_pixels, len(polygon.exterior), len(polygon.holes)) == (13, 12, 0)


def test_letter_c_that_closes_diagonally_is_a_ring_with_a_hole() -> None:
    """The outline touches itself at a point, so it is split into exterior and hole there."""
    mask = parse_mask("1111\n1..1\n1.1.\n11..")
    for cuts in ([], EVERY_ROW):
        first, alone = sorted(polygonize(mask, cuts), key=lambda one: -one.num_pixels)
        assert alone.first_pixel == (2, 2)
        assert first.num_pixels == 9
    mask = parse_mask("1111\n1..1\n1.11\n11..")
    for cuts in ([], EVERY_ROW):
        (polygon,) = polygonize(mask, cuts)
        assert [len(ring) for ring in rings_of(polygon)] == [6, 6]
        assert [2, 3] in polygon.exterior.tolist()
        assert [2, 3] in polygon.holes[0].tolist()
        assert shapely.Polygon(polygon.exterior, polygon.holes).is_valid


def test_holes_that_touch_diagonally_are_two_rings() -> None:
    """A ring of 8-shape would not be simple."""
    mask = parse_mask("1111\n1.11\n11.1\n1111")
    for cuts in ([], EVERY_ROW):
        (polygon,) = polygonize(mask, cuts)
        assert [hole.tolist() for hole in polygon.holes] == [
            [[2, 1], [1, 1], [1, 2], [2, 2]],
            [[3, 2], [2, 2], [2, 3], [3, 3]],
        ]


def test_island_in_a_hole_is_a_region_of_its_own() -> None:
    """The frame has a hole, the island in it none, whatever their classes."""
    mask = parse_mask("00000\n0...0\n0.0.0\n0...0\n00000")
    frame, island = sorted(polygonize(mask, EVERY_ROW), key=lambda one: -one.num_pixels)
    assert (len(frame.holes), len(island.holes)) == (1, 0)
    assert (frame.num_pixels, island.num_pixels) == (16, 1)


def test_region_that_joins_at_the_last_row_is_one() -> None:
    """The teeth of a comb are known to be one region only when its back is seen."""
    mask = parse_mask("1.1.1\n1.1.1\n11111")
    (polygon,) = polygonize(mask, EVERY_ROW)
    assert (polygon.num_pixels, polygon.first_pixel) == (11, (0, 0))


def test_holes_of_parts_that_join_later_come_in_order() -> None:
    """Two towers, each with a hole, meet at the bottom: order does not tell how it was cut."""
    mask = parse_mask("111.111\n1.1.1.1\n111.111\n1.1.1.1\n1111111")
    whole, cut = polygonize(mask), polygonize(mask, EVERY_ROW)
    assert [hole[0].tolist() for hole in cut[0].holes] == [[2, 1], [6, 1], [2, 3], [6, 3]]
    assert [hole.tolist() for hole in cut[0].holes] == [hole.tolist() for hole in whole[0].holes]


def test_polygons_come_by_last_row_then_first_pixel() -> None:
    """The order is that in which regions are finished, so that it can be streamed."""
    mask = parse_mask("0.1.2\n0.1..\n0...3")
    first = [polygon.first_pixel for polygon in polygonize(mask)]
    assert first == [(4, 0), (2, 0), (0, 0), (4, 2)]


def test_finished_regions_are_returned_at_once(tmp_path: Path) -> None:
    """A region that ends above the last row does not wait for the end of the mask."""
    polygonizer = Polygonizer(3, spool=tmp_path / "spool")
    assert len(polygonizer.add_rows(parse_mask("1.."))) == 0
    assert len(polygonizer.add_rows(parse_mask("..."))) == 1
    assert len(polygonizer.finish()) == 0
    polygonizer.close()


def test_wide_mask_finds_the_border_left_of_a_far_hole() -> None:
    """The run of pixels left of a hole may be longer than the window searched first."""
    mask = np.zeros((5, 400), np.uint8)
    mask[2, 390] = mask[2, 3] = 1
    outer = polygonize(mask, EVERY_ROW)[-1]
    assert (len(outer.holes), outer.num_pixels) == (2, 1998)


def test_holes_in_the_spool_can_be_read_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many holes of a region that spans strips are a collection, not a one-time stream."""
    monkeypatch.setattr("dfaseg.annotation.parking._FEW_EDGES", 0)
    mask = parse_mask("1111\n1.11\n1111\n11.1\n1111")
    polygonizer = Polygonizer(4, spool=tmp_path / "spool")
    for row in mask:
        polygonizer.add_rows(row[None])
    (polygon,) = polygonizer.finish()
    assert len(polygon.holes) == len(list(polygon.holes)) == len(list(polygon.holes)) == 2
    assert np.array([[2, 1], [1, 1], [1, 2], [2, 2]]) in polygon.holes
    polygonizer.close()


@pytest.mark.parametrize("seed", range(4))
def test_chains_split_in_the_spool_give_the_same_rings(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Outlines too long for memory are put in order on disk, in blocks; nobody can tell."""
    mask = np.random.default_rng(seed).integers(0, 2, (14, 15)).astype(np.uint8)
    before = polygonize(mask, [3, 8])
    monkeypatch.setattr("dfaseg.annotation.polygonize._LONG_EDGES", 2 * seed)
    monkeypatch.setattr("dfaseg.annotation.trails.BLOCK_EDGES", 3)
    after = polygonize(mask, [3, 8])
    for one, other in zip(before, after, strict=True):
        assert one.first_pixel == other.first_pixel
        rings = zip(rings_of(one), rings_of(other), strict=True)
        assert all(np.array_equal(ring, same) for ring, same in rings)


def test_long_outlines_are_written_from_the_spool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is the same, byte for byte, as that of outlines in memory."""
    mask = np.random.default_rng(5).integers(0, 2, (14, 15)).astype(np.uint8)
    whole = write_geojson(mask, tmp_path / "a", spec())
    monkeypatch.setattr("dfaseg.annotation.polygonize._LONG_EDGES", 0)
    monkeypatch.setattr("dfaseg.annotation.parking._FEW_EDGES", 0)
    monkeypatch.setattr("dfaseg.annotation.ring_blocks.BLOCK_VERTICES", 6)
    monkeypatch.setattr("dfaseg.annotation.regions.BLOCK_VERTICES", 6)
    assert write_geojson(mask, tmp_path / "b", spec(), EVERY_ROW) == whole


@pytest.mark.parametrize("shape", [(2, 4), (0, 5), (5,)])
def test_rows_of_another_shape_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """Rows must be as wide as the mask."""
    polygonizer = Polygonizer(5, spool=tmp_path / "spool")
    with pytest.raises(ConfigError, match="must be"):
        polygonizer.add_rows(np.zeros(shape, np.uint8))
    polygonizer.close()


def test_mask_without_columns_is_refused(tmp_path: Path) -> None:
    """There is nothing to trace in a mask of width 0."""
    with pytest.raises(ConfigError, match="at least one column"):
        Polygonizer(0, spool=tmp_path / "spool")


def test_state_of_another_mask_is_refused(tmp_path: Path) -> None:
    """A saved state belongs to masks of one width."""
    one = Polygonizer(5, spool=tmp_path / "one")
    other = Polygonizer(6, spool=tmp_path / "other")
    with pytest.raises(ConfigError, match="5 px wide"):
        other.restore(one.state())
    one.close()
    other.close()


def test_lost_spool_is_noticed_when_resuming(tmp_path: Path) -> None:
    """Without its spool a saved state is worth nothing, and says so."""
    polygonizer = Polygonizer(3, spool=tmp_path / "spool")
    polygonizer.add_rows(np.zeros((2, 3), np.uint8))
    polygonizer.close()
    resumed = Polygonizer(3, spool=tmp_path / "another")
    with pytest.raises(OutputError, match="start anew"):
        resumed.restore(polygonizer.state())
    resumed.close()


def test_spool_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """The message names the file."""
    with pytest.raises(OutputError, match="nowhere"):
        Polygonizer(3, spool=tmp_path / "nowhere" / "spool")
