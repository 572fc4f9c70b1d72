"""Polygons of ASAP, the viewer of the Camelyon and TIGER challenges.

An annotation is a list of points in pixels of the finest level, the origin is the upper left
corner; its class is the group it lies in (https://github.com/computationalpathologygroup/ASAP).
"""

from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation.annotated import AnnotatedPolygon, Annotations
from dfaseg.annotation.repair import NO_AREA, repair
from dfaseg.errors import AnnotationError

_AREAS = frozenset({"polygon", "rectangle", "spline"})
"""Kinds that enclose an area; a spline is taken as the polygon through its points."""
_NO_GROUP = frozenset({"", "none"})


def read_asap_xml(path: Path) -> Annotations:
    """Read the areas of an ASAP annotation file, in level-0 px.

    Polygons, rectangles and splines (as the polygon through their points) are read; all else
    (dots, point sets, measurements) is counted as skipped. The class of an annotation is its
    group, where it lies in none its own name.

    Raises:
        AnnotationError: The file cannot be read, or is not such a file.
    """
    found: list[AnnotatedPolygon] = []
    skipped: Counter[str] = Counter()
    num_repaired = 0
    for annotation in _parse(path):
        kind = (annotation.get("Type") or "annotation without type").lower()
        if kind not in _AREAS:
            skipped[kind] += 1
            continue
        polygons, was_repaired = repair(_class_name(annotation), _points(path, annotation))
        found.extend(polygons)
        num_repaired += was_repaired and bool(polygons)
        skipped[NO_AREA] += not polygons
    return Annotations(tuple(found), num_repaired, +skipped)


def _parse(path: Path) -> list[ElementTree.Element]:
    try:
        root = ElementTree.fromstring(path.read_bytes())
    except OSError as error:
        raise AnnotationError(f"annotations '{path}': cannot be read ({error})") from error
    except ElementTree.ParseError as error:
        raise AnnotationError(f"annotations '{path}': not valid XML ({error})") from error
    if root.tag != "ASAP_Annotations":
        raise AnnotationError(
            f"annotations '{path}': XML of another program (<{root.tag}>), not of ASAP; export"
            " them as GeoJSON"
        )
    return root.findall("Annotations/Annotation")


def _class_name(annotation: ElementTree.Element) -> str:
    group = (annotation.get("PartOfGroup") or "").strip()
    return (annotation.get("Name") or "").strip() if group.lower() in _NO_GROUP else group


def _points(path: Path, annotation: ElementTree.Element) -> NDArray[np.float64]:
    """Return the points in the order they state, which need not be that of the file."""
    try:
        ordered = sorted(
            (int(point.attrib["Order"]), float(point.attrib["X"]), float(point.attrib["Y"]))
            for point in annotation.iterfind("Coordinates/Coordinate")
        )
    except (KeyError, ValueError) as error:
        reason = f"a coordinate lacks {error}" if isinstance(error, KeyError) else str(error)
        raise AnnotationError(
            f"annotations '{path}': '{annotation.get('Name', '')}': {reason}; correct or remove it"
        ) from error
    ring = np.array([point[1:] for point in ordered], np.float64).reshape(-1, 2)
    if not np.isfinite(ring).all():
        raise AnnotationError(
            f"annotations '{path}': '{annotation.get('Name', '')}': a coordinate is not a number;"
            " correct or remove it"
        )
    is_closed = len(ring) > 1 and np.array_equal(ring[0], ring[-1])
    return ring[:-1] if is_closed else ring
