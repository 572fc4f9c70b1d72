"""Polygons of the Digital Slide Archive, as HistomicsUI draws them.

The format is the one that large_image checks annotations against on a server
(https://github.com/girder/large_image, girder_annotation, ``AnnotationSchema``): coordinates are
x, y and z in pixels of the finest level, the origin is the upper left corner.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation.curves import unit_circle
from dfaseg.annotation.json_stream import points_of
from dfaseg.annotation.shape_collector import MAX_COORDINATE_PX, Ring, ShapeCollector

FORMAT_NAME = "Digital Slide Archive JSON"
OPEN_LINE = "open polyline"
_NAMELESS = "\0"
"""Name of shapes whose annotation is not read to its end; no file can hold it."""

Outline = tuple[Ring, Sequence[Ring]]
"""Exterior and holes, each ``(n, 2)``, (x, y)."""


def add_element(
    collector: ShapeCollector, element: Any, number: int, annotation: Mapping[str, Any]
) -> None:
    """Take an element of an annotation if it has an area; all else is counted as skipped.

    Closed polylines, rectangles, circles and ellipses become polygons. The class is the element's
    label, where that is blank its group; shapes with neither are named by ``end_annotation``.

    Args:
        collector: Takes the shapes.
        element: As in the file.
        number: Which it is in its annotation.
        annotation: What is known of it so far, for messages.

    Raises:
        ValueError: It is no such element.
    """
    if not isinstance(element, dict):
        raise ValueError(f"element {number} of '{annotation.get('name', '')}' is no object")  # noqa: TRY004 - of the file
    kind = str(element.get("type", "element without type"))
    if kind == "polyline" and not element.get("closed", False):
        collector.skip(OPEN_LINE)
    elif kind not in _OUTLINES:
        collector.skip(kind)
    else:
        try:
            exterior, holes = _OUTLINES[kind](element)
            collector.add(_class_name(element), exterior, holes)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            reason = f"lacks {error}" if isinstance(error, KeyError) else str(error)
            raise ValueError(
                f"element {number} of '{annotation.get('name', '')}' ({kind}): {reason}; correct or"
                " remove it"
            ) from error


def end_annotation(collector: ShapeCollector, annotation: Mapping[str, Any]) -> None:
    """Name the shapes of an annotation that have no name of their own after it."""
    note_facts(collector, annotation)
    name = annotation.get("name")
    collector.rename(_NAMELESS, name.strip() if isinstance(name, str) else "")


def note_facts(collector: ShapeCollector, annotation: Mapping[str, Any]) -> None:
    """Note what dfaseg wrote about an annotation of its own.

    HistomicsUI keeps that while people change shapes and add others, which may cross themselves.
    """
    attributes = annotation.get("attributes")
    collector.note_facts(attributes.get("dfaseg") if isinstance(attributes, dict) else None)
    collector.are_valid = False


def _class_name(element: Mapping[str, Any]) -> str:
    label = element.get("label")
    value = label.get("value") if isinstance(label, dict) else label
    names = (value, element.get("group"))
    found = (name.strip() for name in names if isinstance(name, str) and name.strip())
    return next(found, _NAMELESS)


def _polyline(element: Mapping[str, Any]) -> Outline:
    holes = points_of(element["holes"]) if element.get("holes") else []
    if not isinstance(holes, list):
        holes = [holes]
    return _ring(points_of(element["points"])), [_ring(hole) for hole in holes]


def _rectangle(element: Mapping[str, Any]) -> Outline:
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64)
    return _place(element, corners, element["width"], element["height"]), ()


def _ellipse(element: Mapping[str, Any]) -> Outline:
    width, height = element["width"], element["height"]
    curve = unit_circle(max(_length(width), _length(height)) / 2)
    return _place(element, curve, width, height), ()


def _circle(element: Mapping[str, Any]) -> Outline:
    diameter = 2 * _length(element["radius"])
    return _place(element, unit_circle(diameter / 2), diameter, diameter), ()


_OUTLINES: Mapping[str, Callable[[Mapping[str, Any]], Outline]] = {
    "polyline": _polyline,
    "rectangle": _rectangle,
    "ellipse": _ellipse,
    "circle": _circle,
}


def _ring(points: Any) -> Ring:
    """Return x and y of points; z, the slice of a stack, means nothing on a slide."""
    if isinstance(points, list) and not points:
        return np.empty((0, 2))
    if isinstance(points, list) or points.shape[1] < 2:
        raise ValueError("its points are not a list of [x, y, z]")
    return np.asarray(points[:, :2], np.float64)


def _place(
    element: Mapping[str, Any], shape: NDArray[np.float64], width: Any, height: Any
) -> NDArray[np.float64]:
    """Scale a shape within ±1 to its size, turn it and move it to its centre.

    Angles are in radians; y points down in pixels, so positive ones turn clockwise on the screen.
    """
    centre = _ring(points_of(element["center"]))
    if len(centre) != 1:
        raise ValueError("its center is not one [x, y, z]")
    angle = float(element.get("rotation") or 0)
    if not math.isfinite(angle):
        raise ValueError("its rotation is not a number")
    cos, sin = math.cos(angle), math.sin(angle)
    scaled = shape * (_length(width) / 2, _length(height) / 2)
    return np.asarray(scaled @ np.array([[cos, sin], [-sin, cos]]) + centre, np.float64)


def _length(value: Any) -> float:
    length = float(value)
    if not 0 <= length <= MAX_COORDINATE_PX:
        raise ValueError(f"{length:g} px is no length on a slide")
    return length
