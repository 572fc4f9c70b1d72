"""Masks turned into polygons in one call, as the tests of polygons need it."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation import GeoJsonWriter, MaskFrame, Polygonizer, PolygonSpec, RegionPolygon
from dfaseg.classmap import ClassMap

CLASSES = ClassMap.from_records(
    [
        {"index": index, "name": name, "colour": colour}
        for index, (name, colour) in enumerate(
            [("tumour", "#c80000"), ("stroma", "#96c896"), ('fat, µ "x"', "#0a0b0c")]
        )
    ]
)


def spec(**changes: Any) -> PolygonSpec:
    """Return what the tests write: mask pixels of 4 level-0 px and 2.5 µm²."""
    return replace(PolygonSpec(CLASSES, MaskFrame(4, 4), 2.5, "slide"), **changes)


def parse_mask(picture: str) -> NDArray[np.uint8]:
    """Read a mask from rows of digits; ``.`` is not analysed."""
    rows = [row.strip() for row in picture.strip().splitlines()]
    return np.array([[255 if c == "." else int(c) for c in row] for row in rows], np.uint8)


def cut_rows(mask: NDArray[np.uint8], cuts: Sequence[int]) -> list[NDArray[np.uint8]]:
    """Cut a mask above the given rows."""
    inner = sorted({cut for cut in cuts if 0 < cut < len(mask)})
    return np.split(mask, inner)


def polygonize(mask: NDArray[np.uint8], cuts: Sequence[int] = ()) -> list[RegionPolygon]:
    """Return all polygons of a mask that is fed in strips; their holes are in memory."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Polygonizer(mask.shape[1], spool=Path(folder) / "spool") as polygonizer,
    ):
        found = [polygonizer.add_rows(strip) for strip in cut_rows(mask, cuts)]
        found.append(polygonizer.finish())
        return [replace(one, holes=tuple(one.holes)) for part in found for one in part]


def rings_of(polygon: RegionPolygon) -> list[NDArray[np.int32]]:
    """Return the exterior and the holes."""
    return [polygon.exterior, *polygon.holes]


def write_geojson(
    mask: NDArray[np.uint8], path: Path, what: PolygonSpec, cuts: Sequence[int] = ()
) -> bytes:
    """Write a mask's polygons to a file and return its bytes."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Polygonizer(mask.shape[1], spool=Path(folder) / "spool") as polygonizer,
        GeoJsonWriter(path, what) as writer,
    ):
        for strip in cut_rows(mask, cuts):
            writer.write(polygonizer.add_rows(strip))
        writer.write(polygonizer.finish())
    return path.read_bytes()
