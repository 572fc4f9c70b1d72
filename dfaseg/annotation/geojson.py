"""Polygons written as QuPath's GeoJSON while they are found."""

import gzip
import json
import shutil
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation.coordinates import VertexText
from dfaseg.annotation.features import FeatureText, stream_rings
from dfaseg.annotation.polygon_file import PolygonSpec, PolygonWriter
from dfaseg.annotation.regions import Polygons
from dfaseg.annotation.ring_blocks import RingBlock, close_rings
from dfaseg.errors import OutputError
from dfaseg.files import explain

_BEGINNING = '{"type":"FeatureCollection","dfaseg":'
"""Of every file that is written here; no other program puts our member first."""
_GZIP_MAGIC = b"\x1f\x8b"


class GeoJsonForm:
    """One feature per polygon; see ``PolygonForm``.

    Args:
        spec: What is written.
    """

    def __init__(self, spec: PolygonSpec) -> None:
        self._spec = spec
        self._text = FeatureText(spec.classes, spec.pixel_area_um2, spec.identity)
        self._vertex_text = VertexText(spec.frame)

    @property
    def envelope(self) -> tuple[bytes, bytes]:
        """The text before the first feature and after the last."""
        text = json.dumps(self._spec.facts, ensure_ascii=False, allow_nan=False)
        return f'{_BEGINNING}{text},"features":['.encode(), b"\n]}\n"

    def begins(self, class_index: NDArray[np.uint8], first_pixel: NDArray[np.int64]) -> list[bytes]:
        """Return the text of features up to their rings."""
        return self._text.begins(class_index, first_pixel)

    def ends(self, class_index: NDArray[np.uint8], num_pixels: NDArray[np.int64]) -> list[bytes]:
        """Return the text of features after their rings."""
        return self._text.ends(class_index, num_pixels)

    def small_rings(self, polygons: Polygons, first: int, end: int) -> list[bytes]:
        """Return the rings of each of the polygons ``first`` to ``end``, which are small."""
        first_ring = polygons.first_ring[first : end + 1]
        bounds = polygons.ring_bounds[first_ring[0] : first_ring[-1] + 1]
        vertices = polygons.vertices[bounds[0] : bounds[-1]]
        lasts = first_ring[1:] - first_ring[0] - 1
        block = close_rings(vertices, bounds - bounds[0], lasts)
        return self._vertex_text.format(block).split(b"\n")

    def stream_rings(self, blocks: Iterable[RingBlock]) -> Iterator[bytes]:
        """Yield the rings of one polygon."""
        return stream_rings(blocks, self._vertex_text)


class GeoJsonWriter(PolygonWriter):
    """Streams polygons to a GeoJSON FeatureCollection; see ``PolygonWriter``."""

    def __init__(
        self, path: Path, spec: PolygonSpec, *, state: Mapping[str, int] | None = None
    ) -> None:
        super().__init__(path, spec, GeoJsonForm(spec), state=state)


def compress_geojson(source: Path, target: Path) -> None:
    """Compress a finished file with gzip; equal files give equal bytes.

    Raises:
        OutputError: A file cannot be read or written.
    """
    try:
        with (
            source.open("rb") as plain,
            target.open("wb") as file,
            gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as packed,
        ):
            shutil.copyfileobj(plain, packed, 1 << 20)
    except OSError as error:
        raise OutputError(f"polygons '{target}': cannot be written ({explain(error)})") from error


def is_own_geojson(head: bytes) -> bool:
    """Tell by its first bytes whether dfaseg wrote a file, compressed or not."""
    if head.startswith(_GZIP_MAGIC):
        head = _unpacked(head, len(_BEGINNING))
    return head.startswith(_BEGINNING.encode())


def _unpacked(head: bytes, length: int) -> bytes:
    """Return the first bytes of what gzip packed; none where it is damaged."""
    try:
        return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(head, length)
    except zlib.error:
        return b""
