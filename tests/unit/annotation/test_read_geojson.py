"""GeoJSON of QuPath and its relatives, read back."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from shapely.geometry import Polygon

from dfaseg.annotation import read_annotations
from dfaseg.errors import AnnotationError

SQUARE = [[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]]
HOLE = [[1, 1], [1, 2], [2, 2], [1, 1]]


def feature(geometry: dict[str, Any], **properties: Any) -> dict[str, Any]:
    """Return a GeoJSON feature."""
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def read(path: Path, root: Any) -> list[tuple[str, int]]:
    """Write JSON; return class name and number of holes of the polygons read from it."""
    path.write_text(json.dumps(root))
    return [(one.class_name, len(one.holes)) for one in read_annotations(path).polygons]


def test_classification_comes_before_the_name(tmp_path: Path) -> None:
    """The class is that of the classification, also in its old form; else the object's name."""
    square = {"type": "Polygon", "coordinates": [SQUARE]}
    features = [
        feature(square, classification={"name": "a"}, name="x"),
        feature(square, classification="b"),
        feature(square, name="c"),
        feature(square),
    ]
    found = read(tmp_path / "a.json", {"type": "FeatureCollection", "features": features})
    assert found == [("a", 0), ("b", 0), ("c", 0), ("", 0)]


@pytest.mark.parametrize(
    ("classification", "name"),
    [
        ({"name": "Tumor: Positive", "colorRGB": -65536}, "Tumor: Positive"),
        ({"names": ["Tumor", "Positive"], "color": [200, 0, 0]}, "Tumor: Positive"),
        (["Tumor", {"name": "Positive"}], "Tumor: Positive"),
        ({"name": None}, ""),
        (None, ""),
        (3, ""),
    ],
)
def test_classifications_of_all_versions_are_read(
    tmp_path: Path, classification: Any, name: str
) -> None:
    """Derived classes are named as QuPath shows them; what is no name is none."""
    square = {"type": "Polygon", "coordinates": [SQUARE]}
    root = feature(square, classification=classification)
    assert read(tmp_path / "a.json", root) == [(name, 0)]


def test_labels_of_the_digital_slide_archive_are_classes(tmp_path: Path) -> None:
    """Its GeoJSON has a label, plain or as an object, and a group."""
    square = {"type": "Polygon", "coordinates": [SQUARE]}
    features = [
        feature(square, label="a", group="x"),
        feature(square, label={"value": "b"}),
        feature(square, group="c"),
    ]
    assert read(tmp_path / "a.json", features) == [("a", 0), ("b", 0), ("c", 0)]


def test_bare_features_and_multipolygons_are_read(tmp_path: Path) -> None:
    """Parts become polygons; points and lines are no areas."""
    parts = {"type": "MultiPolygon", "coordinates": [[SQUARE, HOLE], [SQUARE]]}
    point = {"type": "Point", "coordinates": [1, 2]}
    assert read(tmp_path / "a", feature(parts, name="n")) == [("n", 1), ("n", 0)]
    assert read(tmp_path / "b", [feature(point), feature(parts)]) == [("", 1), ("", 0)]


def test_geometries_need_no_feature(tmp_path: Path) -> None:
    """Alone, in a list and in a collection; points and lines are counted."""
    square = {"type": "Polygon", "coordinates": [SQUARE, HOLE]}
    line = {"type": "LineString", "coordinates": SQUARE}
    both = {"type": "GeometryCollection", "geometries": [line, square]}
    (tmp_path / "a").write_text(json.dumps([both, square, feature(both, name="n")]))

    found = read_annotations(tmp_path / "a")

    assert [one.class_name for one in found.polygons] == ["", "", "n"]
    assert found.skipped == {"linestring": 2}


def test_empty_and_open_rings_are_no_error(tmp_path: Path) -> None:
    """What has no area is counted; a ring need not repeat its first point."""
    features = [
        feature({"type": "Polygon", "coordinates": []}),
        feature({"type": "Polygon", "coordinates": [[]]}),
        feature({"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 0]]]}),
        feature({"type": "MultiPolygon", "coordinates": [[[*map(tuple, SQUARE[:-1])]], []]}),
        {"type": "Feature", "geometry": None, "properties": None},
    ]
    (tmp_path / "a").write_text(json.dumps(features))

    found = read_annotations(tmp_path / "a")

    assert [one.exterior.tolist() for one in found.polygons] == [SQUARE[:-1]]
    assert found.skipped == {"shape without area": 3, "object without geometry": 1}


def test_loops_are_repaired_and_counted(tmp_path: Path) -> None:
    """A figure of eight becomes two polygons."""
    eight = {"type": "Polygon", "coordinates": [[[0, 0], [4, 4], [4, 0], [0, 4], [0, 0]]]}
    (tmp_path / "a").write_text(json.dumps([feature(eight)]))

    found = read_annotations(tmp_path / "a")

    assert (len(found.polygons), found.num_repaired) == (2, 1)


def test_hole_beside_its_outline_is_no_shape(tmp_path: Path) -> None:
    """Nobody drew anything there."""
    rings = [SQUARE, HOLE, [[x + 9, y] for x, y in SQUARE]]
    (tmp_path / "a").write_text(json.dumps([feature({"type": "Polygon", "coordinates": rings})]))

    found = read_annotations(tmp_path / "a")

    assert found.num_repaired == 1
    assert [Polygon(one.exterior).bounds for one in found.polygons] == [(0, 0, 4, 4)]


def test_polygons_of_dfaseg_return_to_the_slide(tmp_path: Path) -> None:
    """The file says what its (0, 0) is, and which slide it is of, also after the polygons."""
    square = feature({"type": "Polygon", "coordinates": [SQUARE]})
    facts = {"origin": [1000, 20.5], "slide": "s", "mask_scale": [1, 1]}
    root = {"type": "FeatureCollection", "features": [square], "dfaseg": facts}
    (tmp_path / "a").write_text(json.dumps(root))

    found = read_annotations(tmp_path / "a")

    assert found.polygons[0].exterior[0].tolist() == [1000, 20.5]
    assert (found.origin, found.slide_name) == ((1000, 20.5), "s")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            '{"type":"FeatureCollection","features":[],"dfaseg":{"origin":"here"}}',
            "its origin 'here' is no place",
        ),
        ("{", "not valid JSON .it ends too early"),
        ('{"type":"FeatureCollection","features":[{}}', "not valid JSON .near '}'"),
        ('{"type":"FeatureCollection","features":[{}]} x', "not valid JSON .near 'x'"),
        ("{}", "neither GeoJSON nor an annotation of the Digital Slide Archive"),
        ("[]", "holds no annotation"),
        ('{"type":"FeatureCollection","features":{}}', "features are not a list"),
        ('{"type":"FeatureCollection","features":["a"]}', "feature 0: is no GeoJSON feature"),
        (
            '[{"geometry":null},{"geometry":{"type":"Circle"}}]',
            "feature 1: geometry of type 'Circle' is unknown",
        ),
        ('{"type":"Polygon","coordinates":[[0,0],[1,1]]}', "polygon are not lists of points"),
        ('{"type":"Polygon","coordinates":[[[0,0],[1],[1,1]]]}', "as many numbers each"),
        ('{"type":"Polygon","coordinates":[[[0,0],[NaN,1],[1,1]]]}', "is not a number; export"),
        (
            '{"type":"FeatureCollection","features":[],"dfaseg":{"origin":[1e10,0]}}',
            r"its origin \[1.*0\] is no place on a slide; export it again",
        ),
        ('{"type":"Polygon","coordinates":[[[0,0],[1e999,1],[1,1]]]}', "is not a number"),
        ('{"type":"Polygon","coordinates":[[[0,0],[1-2,1],[1,1]]]}', "convert string to float"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, problem: str) -> None:
    """The message names the file and what is wrong."""
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(AnnotationError, match=rf"a\.json.*{problem}"):
        read_annotations(tmp_path / "a.json")


def test_missing_and_broken_files_are_refused(tmp_path: Path) -> None:
    """A truncated gzip is told from a missing file."""
    with pytest.raises(AnnotationError, match="cannot be read"):
        read_annotations(tmp_path / "missing")
    (tmp_path / "a.gz").write_bytes(gzip.compress(b'{"type":"FeatureCollection"}')[:-9])
    with pytest.raises(AnnotationError, match="cannot be read"):
        read_annotations(tmp_path / "a.gz")
