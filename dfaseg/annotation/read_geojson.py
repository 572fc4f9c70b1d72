"""GeoJSON of QuPath and its relatives, and polygons of dfaseg itself.

QuPath writes a FeatureCollection, a list of GeoJSON features or one of them; coordinates are pixels
of the finest level. The class of an object is its classification
(https://qupath.readthedocs.io/en/stable/docs/advanced/exporting_annotations.html).
"""

from typing import Any

from dfaseg.annotation.json_stream import points_of
from dfaseg.annotation.repair import NO_AREA
from dfaseg.annotation.shape_collector import ShapeCollector

FORMAT_NAME = "GeoJSON"
GEOMETRIES = frozenset(
    {"Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"}
    | {"GeometryCollection"}
)
_NO_GEOMETRY = "object without geometry"
_JOINT = ": "
"""What QuPath puts between the parts of a derived class."""


def add_feature(collector: ShapeCollector, feature: Any) -> None:
    """Take the areas of a GeoJSON feature; all else is counted as skipped.

    The class is the name of its classification; where it has none, the label or group that the
    Digital Slide Archive writes, or the feature's own name.

    Raises:
        ValueError: It is no GeoJSON feature.
    """
    if not isinstance(feature, dict) or feature.get("type", "Feature") != "Feature":
        raise ValueError("is no GeoJSON feature")
    geometry = feature.get("geometry")
    if geometry is None:
        collector.skip(_NO_GEOMETRY)
    else:
        add_geometry(collector, geometry, _class_name(feature.get("properties")))


def add_geometry(collector: ShapeCollector, geometry: Any, class_name: str) -> None:
    """Take the areas of a geometry; parts become polygons.

    Raises:
        ValueError: It is no geometry.
    """
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if kind == "GeometryCollection":
        for part in geometry.get("geometries") or ():
            add_geometry(collector, part, class_name)
    elif kind in {"Polygon", "MultiPolygon"}:
        parts = points_of(geometry.get("coordinates"))
        for rings in [parts] if kind == "Polygon" else parts:
            _add_polygon(collector, class_name, rings)
    elif kind in GEOMETRIES:
        collector.skip(str(kind).lower())
    else:
        raise ValueError(f"geometry of type {kind!r} is unknown")


def _add_polygon(collector: ShapeCollector, class_name: str, rings: Any) -> None:
    if not isinstance(rings, list) or not all(_is_ring(ring) for ring in rings):
        raise ValueError("the coordinates of a polygon are not lists of points")
    if rings:
        collector.add(class_name, rings[0][:, :2], [ring[:, :2] for ring in rings[1:]])
    else:
        collector.skip(NO_AREA)


def _is_ring(ring: Any) -> bool:
    return not isinstance(ring, list) and ring.shape[1] >= 2


def _class_name(properties: Any) -> str:
    if not isinstance(properties, dict):
        return ""
    keys = ("classification", "label", "group", "name")
    return next((name for key in keys if (name := _name_in(properties.get(key)))), "")


def _name_in(value: Any) -> str:
    """Return a name, plain or as QuPath and the Digital Slide Archive wrap it."""
    if isinstance(value, list):
        return _JOINT.join(filter(None, map(_name_in, value)))
    if isinstance(value, dict):
        keys = ("name", "names", "value")
        return next((name for key in keys if (name := _name_in(value.get(key)))), "")
    return value.strip() if isinstance(value, str) else ""
