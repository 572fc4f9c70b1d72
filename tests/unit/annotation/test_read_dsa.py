"""Annotations of the Digital Slide Archive."""

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapely.geometry import Polygon

from dfaseg.annotation import Annotations, read_annotations
from dfaseg.errors import AnnotationError

SQUARE: list[Any] = [[0, 0, 0], [4, 0, 0], [4, 4, 0], [0, 4, 0]]


def polyline(points: list[Any], **more: Any) -> dict[str, Any]:
    """Return a closed polyline."""
    return {"type": "polyline", "points": points, "closed": True} | more


def read(folder: Path, *elements: dict[str, Any], name: str = "drawn") -> Annotations:
    """Write one annotation and read it back."""
    path = folder / "a.json"
    path.write_text(json.dumps({"name": name, "elements": elements}))
    return read_annotations(path)


def areas(found: Annotations) -> list[float]:
    """Return the area of each polygon, holes left out."""
    return [Polygon(one.exterior, one.holes).area for one in found.polygons]


@pytest.mark.parametrize("is_list", [False, True], ids=["one", "list"])
@pytest.mark.parametrize("is_record", [False, True], ids=["bare", "record of the API"])
def test_all_kinds_of_documents_are_read(tmp_path: Path, is_list: bool, is_record: bool) -> None:
    """One annotation or a list, bare or within what the server wraps round it."""
    annotation: Any = {"name": "tumour", "elements": [polyline(SQUARE)]}
    document = {"_id": "1", "itemId": "2", "annotation": annotation} if is_record else annotation
    path = tmp_path / "a.json"
    path.write_text(json.dumps([document] if is_list else document))

    found = read_annotations(path)

    assert [one.class_name for one in found.polygons] == ["tumour"]
    assert found.polygons[0].exterior.tolist() == [[0, 0], [4, 0], [4, 4], [0, 4]]
    assert (found.num_repaired, found.skipped) == (0, {})


def test_label_comes_before_group_and_name(tmp_path: Path) -> None:
    """Blank labels count as none."""
    found = read(
        tmp_path,
        polyline(SQUARE, label={"value": "white matter"}, group="g"),
        polyline(SQUARE, label={"value": " "}, group="g"),
        polyline(SQUARE, label={}),
    )
    assert [one.class_name for one in found.polygons] == ["white matter", "g", "drawn"]


def test_holes_and_repeated_last_points_are_read(tmp_path: Path) -> None:
    """A ring that repeats its first point is the same ring; z is left out."""
    hole = [[1, 1, 7], [2, 1, 7], [2, 2, 7], [1, 2, 7], [1, 1, 7]]
    found = read(tmp_path, polyline([*SQUARE, SQUARE[0]], holes=[hole]))

    assert found.polygons[0].holes[0].tolist() == [[1, 1], [2, 1], [2, 2], [1, 2]]
    assert areas(found) == [15]
    assert found.num_repaired == 0


def test_rectangle_turns_from_x_towards_y(tmp_path: Path) -> None:
    """Its width lies along (cos, sin) of its rotation, y pointing down."""
    angle = math.radians(30)
    element = {"type": "rectangle", "center": [10, 20, 0], "width": 8, "height": 2}
    upright, turned = read(tmp_path, element, element | {"rotation": angle}).polygons

    assert upright.exterior.tolist() == [[6, 19], [14, 19], [14, 21], [6, 21]]
    along = turned.exterior[1] - turned.exterior[0]
    assert along == pytest.approx([8 * math.cos(angle), 8 * math.sin(angle)])
    assert turned.exterior.mean(axis=0) == pytest.approx([10, 20])


def test_circle_and_ellipse_are_round(tmp_path: Path) -> None:
    """Their polygons run within a tenth of a pixel of the curve, however large they are."""
    found = read(
        tmp_path,
        {"type": "circle", "center": [0, 0, 0], "radius": 5000},
        {"type": "ellipse", "center": [3, 4, 0], "width": 400, "height": 100, "rotation": 1.2},
    )

    middle = (found.polygons[0].exterior + np.roll(found.polygons[0].exterior, 1, axis=0)) / 2
    assert np.hypot(*middle.T).min() > 5000 - 0.11
    assert areas(found) == pytest.approx([math.pi * 5000**2, math.pi * 200 * 50], rel=0.01)


def test_what_has_no_area_is_counted(tmp_path: Path) -> None:
    """Nothing is left out silently."""
    found = read(
        tmp_path,
        {"type": "point", "center": [1, 1, 0]},
        {"type": "arrow", "points": SQUARE[:2]},
        {"type": "rectanglegrid", "center": [1, 1, 0], "width": 2, "height": 2},
        {"type": "heatmap", "points": []},
        {"type": "polyline", "points": SQUARE},
        polyline(SQUARE[:2]),
        polyline([[0, 0, 0], [1, 1, 0], [2, 2, 0]]),
        {"type": "circle", "center": [1, 1, 0], "radius": 0},
        polyline(SQUARE),
    )
    assert len(found.polygons) == 1
    assert found.skipped == {
        "point": 1,
        "arrow": 1,
        "rectanglegrid": 1,
        "heatmap": 1,
        "open polyline": 1,
        "shape without area": 3,
    }


def test_crossing_outline_is_repaired_and_counted(tmp_path: Path) -> None:
    """A figure of eight becomes its two halves."""
    found = read(tmp_path, polyline([[0, 0, 0], [4, 4, 0], [4, 0, 0], [0, 4, 0]], group="g"))

    assert [one.class_name for one in found.polygons] == ["g", "g"]
    assert areas(found) == [4, 4]
    assert found.num_repaired == 1


def test_shapes_that_were_added_to_polygons_of_dfaseg_are_repaired(tmp_path: Path) -> None:
    """The server keeps what the annotation says of itself."""
    eight = polyline([[0, 0, 0], [4, 4, 0], [4, 0, 0], [0, 4, 0]])
    attributes = {"dfaseg": {"simplify_px": 0.0, "origin": [10, 0]}}
    annotation = {"name": "a", "attributes": attributes, "elements": [polyline(SQUARE), eight]}
    (tmp_path / "a.json").write_text(json.dumps([{"annotation": annotation}]))

    found = read_annotations(tmp_path / "a.json")

    assert areas(found) == [16, 4, 4]
    assert (found.num_repaired, found.origin) == (1, (10, 0))


def test_loop_of_the_pen_is_no_hole(tmp_path: Path) -> None:
    """Where an outline runs over itself, both sides belong to the shape."""
    outline = [[0, 0], [10, 0], [10, 10], [4, 10], [4, 4], [8, 4], [8, 6], [2, 6], [2, 10], [0, 10]]
    found = read(tmp_path, polyline([[x, y, 0] for x, y in outline]))

    assert len(found.polygons) == found.num_repaired == 1
    assert found.polygons[0].holes == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "not valid JSON"),
        ('["This is not an annotation"]', "not an annotation"),
        ('[{"annotation": {"name": "a"}}]', "'a' comes without its elements"),
        ('{"name": "a", "elements": {}}', "elements of 'a' are not a list"),
        ('{"name": "a", "elements": ["b"]}', "element 0 of 'a' is no object"),
    ],
)
def test_other_documents_are_refused(tmp_path: Path, text: str, problem: str) -> None:
    """The message names the file and what it is instead."""
    (tmp_path / "a.json").write_text(text)

    with pytest.raises(AnnotationError, match=rf"a\.json': .*{problem}"):
        read_annotations(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("element", "problem"),
    [
        ({"type": "rectangle", "center": [0, 0, 0], "height": 1}, "lacks 'width'"),
        ({"type": "circle", "center": [0, 0, 0], "radius": -1}, "-1 px is no length"),
        ({"type": "circle", "center": [0, 0, 0], "radius": 1e308}, r"1e\+308 px is no length on a"),
        ({"type": "ellipse", "center": [0, 0], "width": 1e300, "height": 1}, "no length on a"),
        ({"type": "rectangle", "center": [1e99, 0], "width": 1, "height": 1}, "1e.99 is no place"),
        ({"type": "circle", "center": [], "radius": 1}, r"not one \[x, y, z\]"),
        (polyline([[0, 0, 0], [1]]), "as many numbers each"),
        (polyline([[0, 0, 0], [1, math.nan, 0], [1, 1, 0]]), "coordinate is not a number"),
        (
            {"type": "ellipse", "center": [0, 0], "width": 1, "height": 1, "rotation": math.inf},
            "rotation is not a number",
        ),
    ],
)
def test_broken_element_is_named(tmp_path: Path, element: dict[str, Any], problem: str) -> None:
    """The message says which element of which annotation is wrong, in one line."""
    with pytest.raises(AnnotationError, match=rf"element 1 of 'drawn' \(.*{problem}") as caught:
        read(tmp_path, polyline(SQUARE), element)

    assert "\n" not in str(caught.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    """A wrong path is one line."""
    with pytest.raises(AnnotationError, match=r"none\.json': cannot be read"):
        read_annotations(tmp_path / "none.json")


def test_exports_of_a_server_are_read(real_data: Path) -> None:
    """Files as a server wrote them, good and bad."""
    golden = real_data / "golden"
    if not golden.is_dir():
        pytest.skip(f"no exports in '{golden}'")

    flat = read_annotations(golden / "dsa-annotation-1.json")
    minimal = read_annotations(golden / "dsa-annotation-minimal.json")

    assert (len(flat.polygons), flat.skipped) == (0, {"shape without area": 2})
    assert areas(minimal) == pytest.approx([2452.37 * 3780.74])
    assert minimal.skipped == {"point": 1}
    with pytest.raises(AnnotationError, match="not an annotation"):
        read_annotations(golden / "dsa-annotation-bad.json")
    found = Counter(one.class_name for one in read_annotations(golden / "dsa-record.json").polygons)
    assert found == {"TILs": 8, "Tumor": 4, "Other": 3}
