"""Polygons of the Digital Slide Archive, as HistomicsUI draws them.

The format is the one that large_image checks annotations against on a server
(https://github.com/girder/large_image, girder_annotation, ``AnnotationSchema``): coordinates are
x, y and z in pixels of the finest level, the origin is the upper left corner.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation.annotated import AnnotatedPolygon, Annotations
from dfaseg.annotation.repair import NO_AREA, repair
from dfaseg.errors import AnnotationError

MAX_SAGITTA_PX = 0.1
"""How far (level-0 px) the polygon for a circle or ellipse may run beside the curve."""
OPEN_LINE = "open polyline"

_MIN_CURVE_VERTICES = 16
_MAX_CURVE_VERTICES = 4096

Outline = tuple[NDArray[np.float64], Sequence[NDArray[np.float64]]]
"""Exterior and holes, each ``(n, 2)``, (x, y), open."""


def read_dsa_json(path: Path) -> Annotations:
    """Read the areas of a Digital Slide Archive annotation file, in level-0 px.

    The file holds one annotation or a list of them, bare or within the records that the server's
    API wraps round them. Closed polylines, rectangles, circles and ellipses become polygons; all
    else (points, arrows, open lines, grids, heat maps, images) is counted as skipped.

    The class of an element is its label, where that is blank its group, and where it has neither
    the name of its annotation.

    Raises:
        AnnotationError: The file cannot be read, or is not such a file.
    """
    found: list[AnnotatedPolygon] = []
    skipped: Counter[str] = Counter()
    num_repaired = 0
    for annotation in _annotations(path, _parse_json(path)):
        for number, element in enumerate(_elements(path, annotation)):
            kind, outline = _parse_element(path, annotation, number, element)
            if outline is None:
                skipped[kind] += 1
                continue
            polygons, was_repaired = repair(_class_name(annotation, element), *outline)
            found.extend(polygons)
            num_repaired += was_repaired and bool(polygons)
            skipped[NO_AREA] += not polygons
    return Annotations(tuple(found), num_repaired, +skipped)


def _parse_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise AnnotationError(f"annotations '{path}': cannot be read ({error})") from error
    except ValueError as error:  # broken text is one as well
        raise AnnotationError(f"annotations '{path}': not valid JSON ({error})") from error


def _annotations(path: Path, root: Any) -> list[Mapping[str, Any]]:
    """Return the annotations of a document, out of the server's records."""
    records = root if isinstance(root, list) else [root]
    annotations = [
        record["annotation"] if isinstance(record, dict) and "annotation" in record else record
        for record in records
    ]
    for annotation in annotations:
        if not isinstance(annotation, dict) or "elements" not in annotation:
            raise AnnotationError(f"annotations '{path}': {_what_is_wrong(annotation)}")
    return annotations


def _what_is_wrong(annotation: Any) -> str:
    if isinstance(annotation, dict) and annotation.get("type") in {"Feature", "FeatureCollection"}:
        return "GeoJSON, not the Digital Slide Archive's own form; name it .geojson"
    if isinstance(annotation, dict) and "name" in annotation:
        return (
            f"'{annotation['name']}' comes without its elements; get it from the server with"
            " GET annotation/item/ID, which gives them"
        )
    return "not an annotation of the Digital Slide Archive; export it again"


def _elements(path: Path, annotation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    elements = annotation["elements"]
    if isinstance(elements, list) and all(isinstance(element, dict) for element in elements):
        return elements
    raise AnnotationError(
        f"annotations '{path}': the elements of '{annotation.get('name', '')}' are not a list of"
        " shapes; export it again"
    )


def _parse_element(
    path: Path, annotation: Mapping[str, Any], number: int, element: Mapping[str, Any]
) -> tuple[str, Outline | None]:
    """Return what an element is, and its outline if it has an area to it."""
    kind = str(element.get("type", "element without type"))
    if kind == "polyline" and not element.get("closed", False):
        return OPEN_LINE, None
    if kind not in _OUTLINES:
        return kind, None
    try:
        return kind, _OUTLINES[kind](element)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        reason = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise AnnotationError(
            f"annotations '{path}': element {number} of '{annotation.get('name', '')}' ({kind}):"
            f" {reason}; correct or remove it"
        ) from error


def _class_name(annotation: Mapping[str, Any], element: Mapping[str, Any]) -> str:
    label = element.get("label")
    value = label.get("value") if isinstance(label, dict) else label
    names = (value, element.get("group"), annotation.get("name"))
    return next((name.strip() for name in names if isinstance(name, str) and name.strip()), "")


def _polyline(element: Mapping[str, Any]) -> Outline:
    holes = [_points(hole) for hole in element.get("holes") or ()]
    return _points(element["points"]), holes


def _rectangle(element: Mapping[str, Any]) -> Outline:
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64)
    return _place(element, corners, element["width"], element["height"]), ()


def _ellipse(element: Mapping[str, Any]) -> Outline:
    width, height = element["width"], element["height"]
    curve = _unit_circle(max(_length(width), _length(height)) / 2)
    return _place(element, curve, width, height), ()


def _circle(element: Mapping[str, Any]) -> Outline:
    diameter = 2 * _length(element["radius"])
    return _place(element, _unit_circle(diameter / 2), diameter, diameter), ()


_OUTLINES: Mapping[str, Callable[[Mapping[str, Any]], Outline]] = {
    "polyline": _polyline,
    "rectangle": _rectangle,
    "ellipse": _ellipse,
    "circle": _circle,
}


def _points(coordinates: Any) -> NDArray[np.float64]:
    """Return x and y of a list of points; z, the slice of a stack, means nothing on a slide."""
    points = np.array(coordinates, np.float64)
    if points.ndim != 2 or points.shape[1] < 2:
        raise ValueError("its points are not a list of [x, y, z]")
    if not np.isfinite(points).all():
        raise ValueError("a coordinate is not a number")
    ring = points[:, :2]
    is_closed = len(ring) > 1 and np.array_equal(ring[0], ring[-1])
    return ring[:-1] if is_closed else ring


def _place(
    element: Mapping[str, Any], shape: NDArray[np.float64], width: Any, height: Any
) -> NDArray[np.float64]:
    """Scale a shape within ±1 to its size, turn it and move it to its centre.

    Angles are in radians; y points down in pixels, so positive ones turn clockwise on the screen.
    """
    centre = _points([element["center"]])[0]
    angle = float(element.get("rotation") or 0)
    if not math.isfinite(angle):
        raise ValueError("its rotation is not a number")
    cos, sin = math.cos(angle), math.sin(angle)
    scaled = shape * (_length(width) / 2, _length(height) / 2)
    return np.asarray(scaled @ np.array([[cos, sin], [-sin, cos]]) + centre, np.float64)


def _length(value: Any) -> float:
    length = float(value)
    if not (math.isfinite(length) and length >= 0):
        raise ValueError(f"{length} px is no length")
    return length


def _unit_circle(radius_px: float) -> NDArray[np.float64]:
    """Return a circle of radius 1 as a polygon fine enough for a radius in pixels."""
    step = math.sqrt(8 * MAX_SAGITTA_PX / max(radius_px, MAX_SAGITTA_PX))
    count = min(max(_MIN_CURVE_VERTICES, math.ceil(2 * math.pi / step)), _MAX_CURVE_VERTICES)
    angles = np.arange(count) * (2 * math.pi / count)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)
