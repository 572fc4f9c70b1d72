"""Polygons of ASAP, the viewer of the Camelyon and TIGER challenges.

An annotation is a list of points in pixels of the finest level, the origin is the upper left
corner; its class is the group it lies in (https://github.com/computationalpathologygroup/ASAP).
"""

from xml.etree.ElementTree import Element

import numpy as np

from dfaseg.annotation.shape_collector import Ring, ShapeCollector
from dfaseg.annotation.xml_points import read_number, read_points

FORMAT_NAME = "ASAP XML"
ROOT = "ASAP_Annotations"
_AREAS = frozenset({"polygon", "rectangle", "spline"})
"""Kinds that enclose an area; a spline is taken as the polygon through its points."""
_NO_GROUP = frozenset({"", "none"})


def add_annotation(collector: ShapeCollector, annotation: Element) -> None:
    """Take an annotation if it has an area; all else is counted as skipped.

    Polygons, rectangles and splines (as the polygon through their points) are read, not dots, point
    sets and measurements. The class of an annotation is its group, where it lies in none its own
    name.

    Raises:
        ValueError: A coordinate is missing or no number.
    """
    kind = (annotation.get("Type") or "annotation without type").lower()
    if kind not in _AREAS:
        collector.skip(kind)
        return
    try:
        collector.add(_class_name(annotation), _ring(annotation))
    except ValueError as error:
        name = annotation.get("Name", "")
        raise ValueError(f"'{name}': {error}; correct or remove it") from error


def _class_name(annotation: Element) -> str:
    group = (annotation.get("PartOfGroup") or "").strip()
    return (annotation.get("Name") or "").strip() if group.lower() in _NO_GROUP else group


def _ring(annotation: Element) -> Ring:
    """Return the points in the order they state, which need not be that of the file."""
    coordinates = annotation.findall("Coordinates/Coordinate")
    order = [read_number(coordinate, "Order") for coordinate in coordinates]
    return read_points(coordinates)[np.argsort(order, kind="stable")]
