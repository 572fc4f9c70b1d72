"""The GeoJSON that QuPath reads: keys, coordinates, ids, and what is left out."""

import gzip
import json
import uuid
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import shapely

from dfaseg.annotation import MaskFrame, compress_geojson, rasterize, read_annotations
from dfaseg.annotation.geojson import GeoJsonWriter
from dfaseg.annotation.named_ids import ID_NAMESPACE
from dfaseg.errors import ConfigError, OutputError
from tests.outlines import CLASSES, parse_mask, spec, write_geojson

FRAME = parse_mask("00000\n02220\n02120\n02220\n00000\n1111.")


def load(path: Path, mask: np.ndarray = FRAME, **changes: Any) -> dict[str, Any]:
    """Write a mask and parse the file."""
    return json.loads(write_geojson(mask, path, spec(**changes), [2]))


def test_feature_has_the_keys_of_qupath(tmp_path: Path) -> None:
    """Object type, classification with colour, lock and measurements are as QuPath writes them."""
    feature = load(tmp_path / "a")["features"][0]
    assert feature["type"] == "Feature"
    assert feature["geometry"]["type"] == "Polygon"
    assert feature["properties"] == {
        "objectType": "annotation",
        "classification": {"name": "stroma", "color": [0x96, 0xC8, 0x96]},
        "isLocked": False,
        "measurements": {"Area µm^2": 2.5, "Area px": 1},
    }


def test_keys_are_among_those_of_a_qupath_export(tmp_path: Path, real_data: Path) -> None:
    """A file that QuPath 0.5 itself wrote has the same structure and also reads."""
    golden = real_data / "golden" / "qupath-0.5-export.geojson"
    theirs, ours = json.loads(golden.read_text()), load(tmp_path / "a")
    assert ours["type"] == theirs["type"]
    for one in (theirs["features"][0], ours["features"][0]):
        assert {"type", "id", "geometry", "properties"} <= one.keys()
        assert one["geometry"]["type"] == "Polygon"
        assert one["properties"]["objectType"] == "annotation"
        assert uuid.UUID(one["id"])
        assert one["geometry"]["coordinates"][0][0] == one["geometry"]["coordinates"][0][-1]
    assert [polygon.class_name for polygon in read_annotations(golden).polygons] == ["UT", "I", "I"]


def test_ids_are_uuids_of_class_and_first_pixel(tmp_path: Path) -> None:
    """The same region of the same slide keeps its id; another slide's has another."""
    ids = [feature["id"] for feature in load(tmp_path / "a")["features"]]
    assert ids[0] == str(uuid.uuid5(ID_NAMESPACE, "slide/1/2/2"))
    others = [feature["id"] for feature in load(tmp_path / "b", identity="x")["features"]]
    assert len({*ids, *others}) == len(ids) + len(others)


def test_integer_scale_gives_integer_coordinates(tmp_path: Path) -> None:
    """Rings are closed and in level-0 px, less the origin."""
    frame = MaskFrame(4, 4, 100, 2)
    text = write_geojson(parse_mask(".1"), tmp_path / "a", spec(frame=frame)).decode()
    assert '"coordinates":[[[-96,-2],[-92,-2],[-92,2],[-96,2],[-96,-2]]]' in text


def test_fractional_scale_is_written_with_two_decimals(tmp_path: Path) -> None:
    """Enough to round back to the vertex, and never in exponent notation."""
    frame = MaskFrame(4.0003, 0.5, 0.25, 0)
    text = write_geojson(parse_mask(".1"), tmp_path / "a", spec(frame=frame)).decode()
    assert '"coordinates":[[[3.75,0.00],[7.75,0.00],[7.75,0.50],[3.75,0.50],[3.75,0.00]]]' in text


@pytest.mark.parametrize("scale", [1, 4, 0.5, 1 / 3, 4.000244, 0.01, 33.3])
def test_coordinates_give_the_vertices_back(tmp_path: Path, scale: float) -> None:
    """Divided by the scale and rounded, they rasterise to the mask."""
    rng = np.random.default_rng(0)
    mask = rng.integers(0, 3, (30, 40)).astype(np.uint8)
    frame = MaskFrame(scale, scale, 12.5, -7)
    write_geojson(mask, tmp_path / "a", spec(frame=frame), [7])
    shapes = [
        (
            CLASSES.names.index(polygon.class_name),
            [np.rint(ring / scale) for ring in polygon.rings],
        )
        for polygon in read_annotations(tmp_path / "a").polygons
    ]
    assert np.array_equal(rasterize(shapes, 40, 30), mask)


def test_small_regions_are_dropped(tmp_path: Path) -> None:
    """Holes where they were stay open: the region around is as large as its pixels."""
    kept = load(tmp_path / "a", min_area_um2=10.0)["features"]
    areas = [feature["properties"]["measurements"]["Area px"] for feature in kept]
    assert areas == [8, 16, 4]
    assert [len(feature["geometry"]["coordinates"]) for feature in kept] == [2, 2, 1]


def test_simplified_outlines_are_valid_and_shorter(tmp_path: Path) -> None:
    """A staircase becomes a slope; the measured area stays that of the pixels."""
    mask = np.triu(np.zeros((30, 30), np.uint8)) + 255 * np.tril(np.ones((30, 30), np.uint8))
    mask[4, 20] = 255
    exact, simple = load(tmp_path / "a", mask), load(tmp_path / "b", mask, simplify_px=1.0)
    before, after = exact["features"][0], simple["features"][0]
    assert len(after["geometry"]["coordinates"][0]) < len(before["geometry"]["coordinates"][0]) / 4
    assert shapely.from_geojson(json.dumps(after["geometry"])).is_valid
    assert after["properties"] == before["properties"]
    assert after["id"] == before["id"]


def test_simplified_outlines_keep_to_the_tolerance(tmp_path: Path) -> None:
    """No corner of the mask lies further than that from the simple outline, wherever it begins."""
    noise = np.random.default_rng(0).normal(size=(300, 300, 3))
    mask = cv2.GaussianBlur(noise, (0, 0), 3).argmax(axis=2).astype(np.uint8)
    exact, simple = (
        [shapely.from_geojson(json.dumps(feature["geometry"])) for feature in file["features"]]
        for file in (
            load(tmp_path / "a", mask, frame=MaskFrame(1, 1)),
            load(tmp_path / "b", mask, frame=MaskFrame(1, 1), simplify_px=4.0),
        )
    )
    assert all(region.is_valid for region in simple)
    for region, simplified in zip(exact, simple, strict=True):
        for before, after in zip(_rings(region), _rings(simplified), strict=True):
            corners = shapely.points(before.coords)
            assert shapely.distance(corners, after).max() <= 4.0


def _rings(polygon: shapely.Polygon) -> list[shapely.LinearRing]:
    return [polygon.exterior, *polygon.interiors]


def test_metadata_stands_at_the_top(tmp_path: Path) -> None:
    """Frame and scale are in the file itself, under a name of our own."""
    written = load(tmp_path / "a", metadata={"tool": "dfaseg µ"}, frame=MaskFrame(4, 4, 7, 9))
    assert written["dfaseg"]["tool"] == "dfaseg µ"
    assert written["dfaseg"]["origin"] == [7, 9]
    assert written["dfaseg"]["mask_scale"] == [4, 4]


def test_file_without_regions_is_valid_json(tmp_path: Path) -> None:
    """An empty slide gives an empty collection."""
    assert load(tmp_path / "a", np.full((3, 3), 255, np.uint8))["features"] == []


@pytest.mark.parametrize("chunk", [1, 5, 40])
def test_text_does_not_depend_on_the_chunk_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    """Long rings are written in pieces, small polygons together; the bytes are the same."""
    mask = np.random.default_rng(1).integers(0, 2, (20, 20)).astype(np.uint8)
    whole = write_geojson(mask, tmp_path / "a", spec(), [9])
    monkeypatch.setattr("dfaseg.annotation.ring_blocks.BLOCK_VERTICES", chunk)
    monkeypatch.setattr("dfaseg.annotation.regions.BLOCK_VERTICES", chunk)
    assert write_geojson(mask, tmp_path / "b", spec(), [9]) == whole


def test_class_outside_the_class_map_is_refused(tmp_path: Path) -> None:
    """The message says which class and how many there are."""
    with pytest.raises(ConfigError, match="class 7: the class map has 3"):
        write_geojson(parse_mask("7"), tmp_path / "a", spec())


def test_failed_run_leaves_the_file_incomplete(tmp_path: Path) -> None:
    """A file that lacks polygons does not pass for a whole one."""
    with pytest.raises(KeyError), GeoJsonWriter(tmp_path / "a", spec()):
        raise KeyError
    with pytest.raises(json.JSONDecodeError):
        json.loads((tmp_path / "a").read_text())


def test_file_shorter_than_the_saved_state_is_refused(tmp_path: Path) -> None:
    """Going on after it would leave a hole in the file."""
    with GeoJsonWriter(tmp_path / "a", spec()) as writer:
        state = writer.state()
    with pytest.raises(OutputError, match="start anew"):
        GeoJsonWriter(tmp_path / "b", spec(), state=state)


def test_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """The message names the file and the system's reason."""
    with pytest.raises(OutputError, match=r"nowhere.*No such file"):
        GeoJsonWriter(tmp_path / "nowhere" / "a", spec())


@pytest.mark.parametrize(
    "changes", [{"simplify_px": -1.0}, {"min_area_um2": -1.0}, {"pixel_area_um2": 0.0}]
)
def test_impossible_settings_are_refused(changes: dict[str, float]) -> None:
    """Distances and areas are not negative."""
    with pytest.raises(ConfigError, match="must not be negative"):
        spec(**changes)


def test_scale_of_zero_is_refused() -> None:
    """A mask pixel has a size."""
    with pytest.raises(ConfigError, match="must be positive"):
        MaskFrame(0, 1)


def test_compressed_file_is_the_same_each_time(tmp_path: Path) -> None:
    """Neither names nor times are stored, and it reads like the plain file."""
    plain = write_geojson(FRAME, tmp_path / "a.geojson", spec())
    compress_geojson(tmp_path / "a.geojson", tmp_path / "b.geojson.gz")
    compress_geojson(tmp_path / "a.geojson", tmp_path / "c.geojson.gz")
    packed = (tmp_path / "b.geojson.gz").read_bytes()
    assert packed == (tmp_path / "c.geojson.gz").read_bytes()
    assert gzip.decompress(packed) == plain
    assert len(read_annotations(tmp_path / "b.geojson.gz").polygons) == 4


def test_compressing_a_missing_file_is_reported(tmp_path: Path) -> None:
    """The message names the result."""
    with pytest.raises(OutputError, match="cannot be written"):
        compress_geojson(tmp_path / "missing", tmp_path / "b.gz")
