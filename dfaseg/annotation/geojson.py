"""Polygons written as QuPath's GeoJSON while they are found."""

import contextlib
import gzip
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from dfaseg.annotation.coordinates import MaskFrame, VertexText
from dfaseg.annotation.features import FeatureText, join_rings, simplify, stream_rings
from dfaseg.annotation.regions import Polygons
from dfaseg.annotation.ring_blocks import RingBlock, close_rings, group_rings
from dfaseg.classmap import ClassMap
from dfaseg.errors import ConfigError, OutputError
from dfaseg.files import explain

_FOOTER = b"\n]}\n"


@dataclass(frozen=True, slots=True)
class GeoJsonSpec:
    """Which polygons are written, and what about them."""

    classes: ClassMap
    frame: MaskFrame
    pixel_area_um2: float
    """Area of a mask pixel."""
    identity: str
    """What the slide is known by; the ids of features depend on it."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Written at the top of the file under ``dfaseg``."""
    simplify_px: float = 0
    """Largest distance, in mask px, by which outlines may move; 0 keeps them exact."""
    min_area_um2: float = 0
    """Smaller regions are left out. Holes stay, whatever their size."""

    def __post_init__(self) -> None:
        if self.simplify_px < 0 or self.min_area_um2 < 0 or self.pixel_area_um2 <= 0:
            raise ConfigError(
                f"simplify {self.simplify_px} px, least area {self.min_area_um2} µm², pixel area "
                f"{self.pixel_area_um2} µm²: must not be negative, and the pixel's area not 0"
            )

    @property
    def header(self) -> bytes:
        """The text up to the first feature."""
        member = {
            "origin": [self.frame.origin_x, self.frame.origin_y],
            "mask_scale": [self.frame.scale_x, self.frame.scale_y],
            "simplify_px": self.simplify_px,
            "min_area_um2": self.min_area_um2,
            **self.metadata,
        }
        text = json.dumps(member, ensure_ascii=False, allow_nan=False)
        return f'{{"type":"FeatureCollection","dfaseg":{text},"features":['.encode()


class GeoJsonWriter:
    """Streams polygons to a GeoJSON FeatureCollection, which is valid once it is closed.

    The caller gives a path aside and renames the file when it is whole. Used as a context, it
    completes the file, or only closes it when the block fails. A killed run goes on from a saved
    ``state``; what was written after it is cut off.

    Args:
        path: File to write.
        spec: What to write.
        state: State of an interrupted run whose file is at ``path``; without it, begin anew.

    Raises:
        OutputError: The file cannot be written, or holds less than the state says.
    """

    def __init__(
        self, path: Path, spec: GeoJsonSpec, *, state: Mapping[str, int] | None = None
    ) -> None:
        state = state or {"num_bytes": 0, "num_features": 0}
        self.num_features = int(state["num_features"])
        self._path = path
        self._spec = spec
        self._text = FeatureText(spec.classes, spec.pixel_area_um2, spec.identity)
        self._vertex_text = VertexText(spec.frame)
        self._num_bytes = int(state["num_bytes"])
        try:
            path.touch()
            self._file = path.open("r+b", buffering=1 << 20)
            self._file.seek(0, 2)
            size = self._file.tell()
            self._file.truncate(self._num_bytes)
            self._file.seek(self._num_bytes)
        except OSError as error:
            raise self._failure(explain(error)) from error
        if size < self._num_bytes:
            self._file.close()
            raise self._failure(f"holds {size} bytes, fewer than the saved state; start anew")
        if self._num_bytes == 0:
            self._write(spec.header)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    def write(self, polygons: Polygons) -> None:
        """Add the polygons that are large enough, in their order.

        Raises:
            ConfigError: A polygon's class is not in the class map.
            OutputError: The file cannot be written.
        """
        is_large = polygons.num_pixels * self._spec.pixel_area_um2 >= self._spec.min_area_um2
        for first, end in _group_polygons(polygons):
            kept = np.flatnonzero(is_large[first:end]) + first
            if kept.size == 0:
                continue
            begins = self._text.begins(polygons.class_index[kept], polygons.first_pixel[kept])
            if self.num_features == 0:
                begins[0] = begins[0][1:]
            self.num_features += kept.size
            ends = self._text.ends(polygons.class_index[kept], polygons.num_pixels[kept])
            if self._spec.simplify_px > 0:
                for number, begin, closing in zip(kept.tolist(), begins, ends, strict=True):
                    polygon = simplify(polygons[number], self._spec.simplify_px)
                    blocks = join_rings([polygon.exterior, *polygon.holes])
                    self._write_long(begin, blocks, closing)
            elif end == first + 1:
                self._write_long(begins[0], polygons.blocks(first), ends[0])
            else:
                texts = self._small_texts(polygons, first, end)
                rings = [texts[number] for number in (kept - first).tolist()]
                together = zip(begins, rings, ends, strict=True)
                self._write(b"".join(chain.from_iterable(together)))

    def state(self) -> dict[str, int]:
        """Flush the file and return what is needed, with it, to go on after a kill."""
        try:
            self._file.flush()
        except OSError as error:
            raise self._failure(explain(error)) from error
        return {"num_bytes": self._num_bytes, "num_features": self.num_features}

    def close(self) -> None:
        """Complete the file and close it; a second call does nothing."""
        if self._file.closed:
            return
        self._write(_FOOTER)
        try:
            self._file.close()
        except OSError as error:
            raise self._failure(explain(error)) from error

    def abandon(self) -> None:
        """Close the file as it is; it is not valid JSON, but a state that was saved holds."""
        with contextlib.suppress(OSError):
            self._file.close()

    def _write_long(self, begin: bytes, blocks: Iterable[RingBlock], end: bytes) -> None:
        """Write one feature in memory bounded by a part of one ring."""
        self._write(begin)
        for text in stream_rings(blocks, self._vertex_text):
            self._write(text)
        self._write(end)

    def _small_texts(self, polygons: Polygons, first: int, end: int) -> list[bytes]:
        """Return the rings of the polygons ``first`` to ``end``, which are small, as text."""
        first_ring = polygons.first_ring[first : end + 1]
        bounds = polygons.ring_bounds[first_ring[0] : first_ring[-1] + 1]
        vertices = polygons.vertices[bounds[0] : bounds[-1]]
        lasts = first_ring[1:] - first_ring[0] - 1
        return self._vertex_text.format(close_rings(vertices, bounds - bounds[0], lasts)).split(
            b"\n"
        )

    def _write(self, text: bytes) -> None:
        try:
            self._num_bytes += self._file.write(text)
        except OSError as error:
            raise self._failure(explain(error)) from error

    def _failure(self, problem: str | None) -> OutputError:
        return OutputError(f"polygons '{self._path}': {problem or 'cannot be written'}")


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


def _group_polygons(polygons: Polygons) -> Iterator[tuple[int, int]]:
    """Yield ranges of polygons of ``BLOCK_VERTICES`` at most.

    Polygons that have more vertices, or rings in the spool, come alone.
    """
    bounds = polygons.ring_bounds[polygons.first_ring]
    first = 0
    for stop in [*sorted(polygons.spooled), len(polygons)]:
        for begin, end in group_rings(bounds[first : stop + 1]):
            yield first + begin, first + end
        if stop < len(polygons):
            yield stop, stop + 1
        first = stop + 1
