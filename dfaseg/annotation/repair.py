"""Polygons that people drew, made valid."""

import logging
from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from dfaseg.annotation.polygon_table import AnnotatedPolygon
from dfaseg.wording import counted

log = logging.getLogger(__name__)

NO_AREA = "shape without area"
"""What a drawn object is counted as that has nothing inside."""
MANY_VERTICES = 100_000
"""From here on, an outline that crosses itself all along takes seconds, and ten times as many
vertices take a hundred times as long."""


def repair(
    class_name: str, exterior: NDArray[np.float64], holes: Sequence[NDArray[np.float64]] = ()
) -> tuple[list[AnnotatedPolygon], bool]:
    """Return valid polygons for a shape as drawn.

    A pen that crosses its own line draws a loop, not a hole: what any part of the outline
    encloses belongs to the shape. Valid shapes stay as they are, vertex by vertex.

    Args:
        class_name: What the shape shows.
        exterior: Its outline, ``(n, 2)``, (x, y), open.
        holes: Outlines of its holes, likewise.

    Returns:
        The polygons, none where no area is enclosed, and whether anything had to be repaired.
    """
    if len(exterior) < 3:
        return [], True
    wide_holes = [hole for hole in holes if len(hole) >= 3]
    drawn = Polygon(exterior, wide_holes)
    if drawn.is_valid and len(wide_holes) == len(holes):
        return [AnnotatedPolygon(class_name, exterior, tuple(wide_holes))], False
    _announce(class_name, sum(map(len, (exterior, *wide_holes))))
    # Apart, because a hole that lies beside the outline would be made a shape.
    cut_out = shapely.union_all([_make_valid(hole) for hole in wide_holes])
    valid = shapely.difference(_make_valid(exterior), cut_out)
    return [_from_shapely(class_name, part) for part in _polygons(valid)], True


def _announce(class_name: str, num_vertices: int) -> None:
    """Tell who waits what for."""
    if num_vertices >= MANY_VERTICES:
        log.info(
            "repairing a shape of class '%s' with %s; this may take minutes",
            class_name,
            counted(num_vertices, "vertex", "vertices"),
        )


def _make_valid(ring: NDArray[np.float64]) -> BaseGeometry:
    return shapely.make_valid(Polygon(ring), method="structure", keep_collapsed=False)


def _polygons(geometry: BaseGeometry) -> list[Polygon]:
    if isinstance(geometry, Polygon):
        return [] if geometry.is_empty else [geometry]
    return list(geometry.geoms) if isinstance(geometry, MultiPolygon) else []


def _from_shapely(class_name: str, polygon: Polygon) -> AnnotatedPolygon:
    rings = [_open_ring(ring) for ring in (polygon.exterior, *polygon.interiors)]
    return AnnotatedPolygon(class_name, rings[0], tuple(rings[1:]))


def _open_ring(ring: BaseGeometry) -> NDArray[np.float64]:
    return np.asarray(shapely.get_coordinates(ring)[:-1], np.float64)
