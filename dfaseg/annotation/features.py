"""The text of QuPath's GeoJSON features."""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import numpy as np
import shapely
from numpy.typing import NDArray

from dfaseg.annotation.coordinates import VertexText
from dfaseg.annotation.named_ids import ID_LENGTH, NameDigests, format_ids
from dfaseg.annotation.regions import RegionPolygon
from dfaseg.annotation.ring_blocks import RingBlock, cut_rings
from dfaseg.classmap import ClassMap

_ENDS_KEPT = 1 << 12
"""Most regions are specks, so the same few areas come again and again."""

_BEGIN = b',\n{"type":"Feature","id":"'
_GEOMETRY = b'","geometry":{"type":"Polygon","coordinates":['


class RegionDigests:
    """Hashes that are known by a slide's identity, a region's class and its first pixel.

    Args:
        identity: What the slide is known by.
    """

    def __init__(self, identity: str) -> None:
        self._digests = NameDigests(f"{identity}/")

    def __call__(
        self, class_index: NDArray[np.uint8], first_pixel: NDArray[np.int64]
    ) -> list[bytes]:
        """Return the digests of regions: classes ``(n,)``, columns and rows ``(n, 2)``."""
        numbers = np.column_stack([class_index, first_pixel]).reshape(-1).tolist()
        # One format for all names takes a third of the time of one each.
        return self._digests((b"%d/%d/%d\n" * len(class_index) % tuple(numbers)).splitlines())


class FeatureText:
    """Writes what stands before and after the coordinates of a feature.

    Args:
        classes: Names and colours.
        pixel_area_um2: Area of a mask pixel.
        identity: What the slide is known by.
    """

    def __init__(self, classes: ClassMap, pixel_area_um2: float, identity: str) -> None:
        self._pixel_area_um2 = pixel_area_um2
        self._digests = RegionDigests(identity)
        self._end = lru_cache(_ENDS_KEPT)(self._make_end)
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

    def begins(self, class_index: NDArray[np.uint8], first_pixel: NDArray[np.int64]) -> list[bytes]:
        """Return the text of features up to their rings, comma and line feed before included.

        Args:
            class_index: Classes of the regions, ``(n,)``.
            first_pixel: Column and row of their first pixels, ``(n, 2)``.
        """
        digests = self._digests(class_index, first_pixel)
        blank = np.frombuffer(_BEGIN + bytes(ID_LENGTH) + _GEOMETRY, np.uint8)
        texts = np.tile(blank, (len(digests), 1))
        texts[:, len(_BEGIN) : len(_BEGIN) + ID_LENGTH] = format_ids(digests)
        found: list[bytes] = texts.reshape(-1).view(f"S{blank.size}").tolist()
        return found

    def ends(self, class_index: NDArray[np.uint8], num_pixels: NDArray[np.int64]) -> list[bytes]:
        """Return the text of features after their rings."""
        # What is kept is found fastest by a single number.
        return list(map(self._end, (num_pixels << 8 | class_index).tolist()))

    def _make_end(self, area_and_class: int) -> bytes:
        num_pixels, class_index = divmod(area_and_class, 1 << 8)
        area = round(num_pixels * self._pixel_area_um2, 4)
        return (
            f']}},"properties":{self._properties[class_index]},'
            f'"measurements":{{"Area µm^2":{area},"Area px":{num_pixels}}}}}}}'
        ).encode()


def stream_rings(blocks: Iterable[RingBlock], vertex_text: VertexText) -> Iterator[bytes]:
    """Yield the text of one polygon's rings, commas between them included."""
    held = b""
    for block in blocks:
        yield held
        held = vertex_text.format(block)
    yield held[:-1]


def join_rings(rings: Sequence[NDArray[np.int32]]) -> Iterator[RingBlock]:
    """Yield open rings ``(n, 2)``, which are in memory, in blocks."""
    return cut_rings(np.concatenate(rings), np.cumsum([0, *map(len, rings)]))


def simplify(polygon: RegionPolygon, tolerance_px: float) -> RegionPolygon:
    """Return the polygon with fewer vertices, none of them new, and all its holes.

    Where simplifying would make it invalid, the polygon is returned as it is.

    Args:
        polygon: Exact outline.
        tolerance_px: How far the outline may move, in mask px.
    """
    exact = shapely.Polygon(polygon.exterior, list(polygon.holes))
    simple = exact.simplify(tolerance_px, preserve_topology=True)
    if not isinstance(simple, shapely.Polygon) or simple.is_empty:
        return polygon
    exterior, *holes = (
        _keep_beginning(ring, np.asarray(few.coords)[:-1].astype(np.int32), tolerance_px)
        for ring, few in zip(
            (polygon.exterior, *polygon.holes), (simple.exterior, *simple.interiors), strict=True
        )
    )
    if not shapely.Polygon(exterior, holes).is_valid:
        return polygon
    return dataclasses.replace(polygon, exterior=exterior, holes=tuple(holes))


def _keep_beginning(
    exact: NDArray[np.int32], simple: NDArray[np.int32], tolerance_px: float
) -> NDArray[np.int32]:
    """Return a simple ring with the vertex where the exact one begins, if it is needed there.

    GEOS leaves this vertex out by itself once all is simplified, and looks only at how far it lies
    from the new side, not at the vertices beside it, which may lie up to twice as far.
    """
    keys = [ring.astype(np.int64) @ np.array([1 << 32, 1]) for ring in (exact, simple)]
    kept = np.flatnonzero(np.isin(*keys))
    if kept[0] == 0:
        return simple
    passed = np.concatenate([exact[kept[-1] :], exact[: kept[0] + 1]])
    side = shapely.LineString(passed[[0, -1]])
    if shapely.distance(shapely.points(passed), side).max() <= tolerance_px:
        return simple
    return np.asarray(exact[np.concatenate([[0], kept])], np.int32)
