"""Polygons read back from QuPath's GeoJSON."""

import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation.annotated import AnnotatedPolygon
from dfaseg.errors import AnnotationError


def read_qupath_geojson(path: Path) -> list[AnnotatedPolygon]:
    """Read the polygons of a GeoJSON file, ``.gz`` too, in level-0 px of the file's own origin.

    The class is the name of a feature's classification; where it has none, the label or group that
    the Digital Slide Archive writes, or the feature's own name. Features that are no areas are left
    out, parts of a MultiPolygon become polygons.

    Raises:
        AnnotationError: The file cannot be read, or is not such a file.
    """
    try:
        data = path.read_bytes()
        text = gzip.decompress(data) if path.suffix == ".gz" else data
        root = json.loads(text)
    except (OSError, EOFError) as error:
        raise AnnotationError(f"annotations '{path}': cannot be read ({error})") from error
    except ValueError as error:
        raise AnnotationError(f"annotations '{path}': not valid JSON ({error})") from error
    try:
        return [polygon for feature in _features(root) for polygon in _parse_feature(feature)]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AnnotationError(
            f"annotations '{path}': not GeoJSON as QuPath exports it ({error!r}); export it again"
        ) from error


def _features(root: Any) -> list[Mapping[str, Any]]:
    if isinstance(root, list):
        return root
    features = root["features"] if root["type"] == "FeatureCollection" else [root]
    return list(features)


def _parse_feature(feature: Mapping[str, Any]) -> Iterator[AnnotatedPolygon]:
    geometry = feature["geometry"]
    if geometry["type"] not in {"Polygon", "MultiPolygon"}:
        return
    is_single = geometry["type"] == "Polygon"
    for rings in [geometry["coordinates"]] if is_single else geometry["coordinates"]:
        exterior, *holes = (_parse_ring(ring) for ring in rings)
        yield AnnotatedPolygon(_class_name(feature["properties"]), exterior, tuple(holes))


def _class_name(properties: Mapping[str, Any]) -> str:
    keys = ("classification", "label", "group", "name")
    name = next((properties[key] for key in keys if properties.get(key)), "")
    if isinstance(name, str):
        return name
    # QuPath wraps its names, the Digital Slide Archive its labels.
    return str(name["name"] if "name" in name else name["value"])


def _parse_ring(coordinates: list[list[float]]) -> NDArray[np.float64]:
    ring = np.array(coordinates, np.float64)
    if ring.ndim != 2 or ring.shape[1] < 2 or len(ring) < 4:
        raise ValueError(f"ring of shape {ring.shape}")
    return ring[:-1, :2]
