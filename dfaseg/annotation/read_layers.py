"""Polygons of Aperio ImageScope and of Halo, whose XML has the same layers and regions.

A layer (``Annotation``) holds regions of one class in pixels of the finest level. ImageScope
numbers the kinds of regions and calls their points ``Vertex``; Halo names the kinds and calls the
points ``V``. Rectangles and ellipses are given by corners of their box. A region with
``NegativeROA="1"`` is cut out of the others of its layer, but for islands in it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from dfaseg.annotation.curves import ellipse_in, rectangle_in
from dfaseg.annotation.shape_collector import Ring, ShapeCollector, check_places
from dfaseg.annotation.xml_points import read_points

IMAGESCOPE = "Aperio ImageScope XML"
HALO = "Halo XML"
ROOT = "Annotations"
OPEN_LINE = "open line"
LONE_HOLE = "negative region outside all others of its layer"

_KINDS = {"0": "polygon", "1": "rectangle", "2": "ellipse"}
"""ImageScope's numbers of regions that have an area; 3 and more are arrows, rulers and pins."""
_AREAS = frozenset(_KINDS.values())


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """Regions of one layer while it is read."""

    name: str = ""
    areas: list[tuple[str, Ring]] = field(default_factory=list)
    """Text of each region, and its outline."""
    holes: list[Ring] = field(default_factory=list)


def add_region(collector: ShapeCollector, layer: Layer, region: Element) -> None:
    """Take a region if it has an area; all else is counted as skipped.

    Raises:
        ValueError: A coordinate is missing, no number or no place on a slide.
    """
    stated = (region.get("Type") or "0").strip().lower()
    kind = _KINDS.get(stated, stated)
    if kind == "polygon" and region.get("HasEndcaps") == "1":
        kind = OPEN_LINE
    elif (region.get("GeoShape") or "").lower() == "points":
        kind = "points"
    if kind not in _AREAS:
        collector.skip(f"region of type {kind}" if kind.isdigit() else kind)
        return
    try:
        points = read_points([*region.iterfind("Vertices/Vertex"), *region.iterfind("Vertices/V")])
        check_places(points)  # here, because holes that are no numbers meet nothing
    except ValueError as error:
        where = region.get("Id") or len(layer.areas) + len(layer.holes) + 1
        raise ValueError(
            f"layer '{layer.name}', region {where}: {error}; correct or remove it"
        ) from error
    ring = _outline(kind, points)
    if (region.get("NegativeROA") or "0").strip().lower() in {"1", "true"}:
        layer.holes.append(ring)
    else:
        layer.areas.append(((region.get("Text") or "").strip(), ring))


def end_layer(collector: ShapeCollector, layer: Layer, annotation: Element) -> None:
    """Take the regions of a layer, its negative ones as holes in the others.

    The class of a region is the name of its layer, else the layer's description, else the region's
    own text, else the colour of the layer, as ``#rrggbb``.
    """
    name = _layer_name(annotation)
    holes = _holes_of(layer)
    for number, (text, ring) in enumerate(layer.areas):
        collector.add(name or text or _colour(annotation), ring, holes.get(number, ()))
    taken = {id(hole) for some in holes.values() for hole in some}
    for hole in layer.holes:
        if id(hole) not in taken:
            collector.skip(LONE_HOLE)


def _outline(kind: str, points: Ring) -> Ring:
    """Return the outline of a region; boxes may be given by two corners."""
    if kind == "ellipse" and 2 <= len(points) <= 4:
        return ellipse_in(points)
    return rectangle_in(points) if kind == "rectangle" and len(points) == 2 else points


def _layer_name(annotation: Element) -> str:
    name = (annotation.get("Name") or "").strip()
    if name:
        return name
    for attribute in annotation.iterfind("Attributes/Attribute"):
        value = (attribute.get("Value") or "").strip()
        if attribute.get("Name") == "Description" and value:
            return value
    return ""


def _colour(annotation: Element) -> str:
    """Return the layer's colour, which is stored as blue, green, red; "" for none."""
    text = (annotation.get("LineColor") or "").strip()
    if not text.isdigit():
        return ""
    number = int(text)
    return f"#{number & 255:02x}{number >> 8 & 255:02x}{number >> 16 & 255:02x}"


def _holes_of(layer: Layer) -> dict[int, list[Ring]]:
    """Return the negative regions that meet each of the others, by its number.

    What lies within one that cuts into something else is an island, and stays.
    """
    found: dict[int, list[Ring]] = {}
    areas = [(number, ring) for number, (_, ring) in enumerate(layer.areas) if len(ring) >= 3]
    holes = [hole for hole in layer.holes if len(hole) >= 3]
    if not holes:
        return found
    tree = shapely.STRtree(_enclosed(ring for _, ring in areas))
    shapes = _enclosed(holes)
    met = _pairs(tree.query(shapes, predicate="intersects"))
    islands = set(_pairs(tree.query(shapes, predicate="covers")))
    cutting = {hole for hole, area in met if (hole, area) not in islands}
    for hole, area in met:
        if hole not in cutting or (hole, area) not in islands:
            found.setdefault(areas[area][0], []).append(holes[hole])
    return found


def _pairs(found: NDArray[np.intp]) -> list[tuple[int, int]]:
    return [(hole, area) for hole, area in found.T.tolist()]


def _enclosed(rings: Iterable[Ring]) -> list[BaseGeometry]:
    """Return all that outlines enclose, also where they do so twice."""
    return list(shapely.make_valid([shapely.Polygon(ring) for ring in rings], method="structure"))
