"""Polygons of a file, in whichever of the known forms it is written."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from dfaseg.annotation.annotated import Annotations
from dfaseg.annotation.read_asap import read_asap_xml
from dfaseg.annotation.read_dsa import read_dsa_json
from dfaseg.annotation.read_geojson import read_qupath_geojson

logger = logging.getLogger(__name__)


def read_annotations(path: Path) -> Annotations:
    """Read the polygons of a file, in level-0 px.

    Files that end in ``.xml`` are ASAP's, those in ``.json`` the Digital Slide Archive's, all
    others GeoJSON. What was repaired or left out is logged.

    Raises:
        AnnotationError: The file cannot be read, or is not what its ending says.
    """
    found = _READERS.get(path.suffix.lower(), _read_geojson)(path)
    if found.num_repaired:
        logger.warning("annotations '%s': %d shapes repaired", path, found.num_repaired)
    for kind, count in found.skipped.items():
        logger.warning("annotations '%s': %d × %s left out", path, count, kind)
    return found


def _read_geojson(path: Path) -> Annotations:
    return Annotations(tuple(read_qupath_geojson(path)), 0, {})


_READERS: Mapping[str, Callable[[Path], Annotations]] = {
    ".xml": read_asap_xml,
    ".json": read_dsa_json,
}
