"""The text of QuPath's GeoJSON features."""

import dataclasses
import json
import uuid
from collections.abc import Iterable, Iterator
from hashlib import sha1

import numpy as np
import shapely
from numpy.typing import NDArray

from dfaseg.annotation.coordinates import VertexText
from dfaseg.annotation.regions import Polygons, RegionPolygon
from dfaseg.classmap import ClassMap
from dfaseg.errors import ConfigError

ID_NAMESPACE = uuid.UUID("6f1f2c7e-3a0b-5d0e-9a58-2c4b8c1d7e90")
"""Namespace of the ids of features, which are UUIDs of version 5."""

CHUNK_VERTICES = 1 << 16
"""Vertices turned into text at a time; bounds the memory for it."""

_VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))
"""First digit of a UUID's fourth group, by the digit that the hash has there."""


class FeatureText:
    """Writes what stands before and after the coordinates of a feature.

    Args:
        classes: Names and colours.
        pixel_area_um2: Area of a mask pixel.
        identity: What the slide is known by.
    """

    def __init__(self, classes: ClassMap, pixel_area_um2: float, identity: str) -> None:
        self._pixel_area_um2 = pixel_area_um2
        self._hash = sha1(ID_NAMESPACE.bytes + f"{identity}/".encode(), usedforsecurity=False)
        self._properties = [
            json.dumps(
                {
                    "objectType": "annotation",
                    "classification": {"name": entry.name, "color": list(entry.colour)},
                    "isLocked": False,
                },
                ensure_ascii=False,
                separators=(",", ":"),
            )[:-1]
            for entry in classes
        ]

    def begin(self, class_index: int, x: int, y: int) -> bytes:
        """Return the text up to the rings.

        Args:
            class_index: Class of the region.
            x: Column of the region's first pixel.
            y: Its row.

        Raises:
            ConfigError: There is no such class.
        """
        if class_index >= len(self._properties):
            raise ConfigError(
                f"polygon of class {class_index}: the class map has {len(self._properties)} "
                "classes; give the class map of the mask"
            )
        digest = self._hash.copy()
        digest.update(b"%d/%d/%d" % (class_index, x, y))
        h = digest.hexdigest()
        feature_id = f"{h[:8]}-{h[8:12]}-5{h[13:16]}-{_VARIANT[h[16]]}{h[17:20]}-{h[20:32]}"
        return (
            f'{{"type":"Feature","id":"{feature_id}","geometry":{{"type":"Polygon","coordinates":['
        ).encode()

    def end(self, class_index: int, num_pixels: int) -> bytes:
        """Return the text after the rings."""
        area = round(num_pixels * self._pixel_area_um2, 4)
        return (
            f']}},"properties":{self._properties[class_index]},'
            f'"measurements":{{"Area µm^2":{area},"Area px":{num_pixels}}}}}}}'
        ).encode()


def ring_texts(polygons: Polygons, first: int, end: int, vertex_text: VertexText) -> list[bytes]:
    """Return the closed rings number ``first`` to ``end`` as JSON text."""
    bounds = polygons.ring_bounds[first : end + 1]
    text, at = vertex_text.format(polygons.vertices[bounds[0] : bounds[-1]])
    return _cut_rings(text, at, bounds - bounds[0])


def stream_rings(rings: Iterable[NDArray[np.int32]], vertex_text: VertexText) -> Iterator[bytes]:
    """Yield the closed rings of one polygon as JSON text, commas between them included.

    Memory is bounded by the text of ``CHUNK_VERTICES``, however long or many the rings are.
    """
    separator = b""
    for group in _group_rings(rings):
        yield separator
        if len(group[0]) > CHUNK_VERTICES:
            yield from _stream_ring(group[0], vertex_text)
        else:
            text, at = vertex_text.format(np.concatenate(group))
            bounds = np.cumsum([0, *map(len, group)])
            yield b",".join(_cut_rings(text, at, bounds))
        separator = b","


def simplify(polygon: RegionPolygon, tolerance_px: float) -> RegionPolygon:
    """Return the polygon with fewer vertices, none of them new, and all its holes.

    Where simplifying would make it invalid, the polygon is returned as it is.

    Args:
        polygon: Exact outline.
        tolerance_px: How far the outline may move, in mask px.
    """
    exact = shapely.Polygon(polygon.exterior, list(polygon.holes))
    simple = exact.simplify(tolerance_px, preserve_topology=True)
    if not isinstance(simple, shapely.Polygon) or simple.is_empty or not simple.is_valid:
        return polygon
    exterior, *holes = (
        np.asarray(ring.coords)[:-1].astype(np.int32)
        for ring in (simple.exterior, *simple.interiors)
    )
    return dataclasses.replace(polygon, exterior=exterior, holes=tuple(holes))


def _group_rings(rings: Iterable[NDArray[np.int32]]) -> Iterator[list[NDArray[np.int32]]]:
    """Yield groups of rings of ``CHUNK_VERTICES`` at most; a longer ring comes alone."""
    group: list[NDArray[np.int32]] = []
    size = 0
    for ring in rings:
        if group and size + len(ring) > CHUNK_VERTICES:
            yield group
            group, size = [], 0
        group.append(ring)
        size += len(ring)
    if group:
        yield group


def _stream_ring(ring: NDArray[np.int32], vertex_text: VertexText) -> Iterator[bytes]:
    yield b"["
    for first in range(0, len(ring), CHUNK_VERTICES):
        yield vertex_text.format(ring[first : first + CHUNK_VERTICES])[0]
    yield vertex_text.format(ring[:1])[0][:-1] + b"]"


def _cut_rings(text: bytes, at: NDArray[np.intp], bounds: NDArray[np.intp]) -> list[bytes]:
    """Cut the text of vertices into rings, each closed with its first vertex.

    Args:
        text: Vertices ``[x,y],`` one after another.
        at: Where each vertex begins in the text, and its end.
        bounds: Where each ring begins among the vertices, and their number.
    """
    starts, ends = at[bounds[:-1]].tolist(), at[bounds[1:]].tolist()
    closings = (at[bounds[:-1] + 1] - 1).tolist()
    return [
        b"[" + text[start:end] + text[start:closing] + b"]"
        for start, end, closing in zip(starts, ends, closings, strict=True)
    ]
