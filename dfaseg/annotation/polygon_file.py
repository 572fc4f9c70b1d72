"""Polygons written to a file, in one form or another, while they are found."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation.coordinates import MaskFrame
from dfaseg.annotation.features import join_rings, simplify
from dfaseg.annotation.regions import Polygons
from dfaseg.annotation.ring_blocks import RingBlock, group_rings
from dfaseg.classmap import ClassMap
from dfaseg.errors import ConfigError, OutputError
from dfaseg.files import explain


@dataclass(frozen=True, slots=True)
class PolygonSpec:
    """Which polygons are written, and what about them."""

    classes: ClassMap
    frame: MaskFrame
    pixel_area_um2: float
    """Area of a mask pixel."""
    identity: str
    """What the slide is known by; the ids of polygons depend on it."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Written at the top of the file."""
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
    def facts(self) -> dict[str, Any]:
        """What a file says of all its polygons."""
        return {
            "origin": [self.frame.origin_x, self.frame.origin_y],
            "mask_scale": [self.frame.scale_x, self.frame.scale_y],
            "simplify_px": self.simplify_px,
            "min_area_um2": self.min_area_um2,
            **self.metadata,
        }


class PolygonForm(Protocol):
    """How polygons are written as text; all of it is UTF-8."""

    @property
    def envelope(self) -> tuple[bytes, bytes]:
        """The text before the first polygon and after the last."""
        ...

    def begins(self, class_index: NDArray[np.uint8], first_pixel: NDArray[np.int64]) -> list[bytes]:
        """Return the text of polygons up to their rings, comma before included.

        Args:
            class_index: Classes of the regions, ``(n,)``.
            first_pixel: Column and row of their first pixels, ``(n, 2)``.
        """
        ...

    def ends(self, class_index: NDArray[np.uint8], num_pixels: NDArray[np.int64]) -> list[bytes]:
        """Return the text of polygons after their rings."""
        ...

    def small_rings(self, polygons: Polygons, first: int, end: int) -> list[bytes]:
        """Return the rings of each of the polygons ``first`` to ``end``, all in memory."""
        ...

    def stream_rings(self, blocks: Iterable[RingBlock]) -> Iterator[bytes]:
        """Yield the rings of one polygon, the exterior first."""
        ...


class PolygonWriter:
    """Streams polygons to a file, which is valid once it is closed.

    The caller gives a path aside and renames the file when it is whole. Used as a context, it
    completes the file, or only closes it when the block fails. A killed run goes on from a saved
    ``state``; what was written after it is cut off.

    Args:
        path: File to write.
        spec: What to write.
        form: How to write it.
        state: State of an interrupted run whose file is at ``path``; without it, begin anew.

    Raises:
        OutputError: The file cannot be written, or holds less than the state says.
    """

    def __init__(
        self,
        path: Path,
        spec: PolygonSpec,
        form: PolygonForm,
        *,
        state: Mapping[str, int] | None = None,
    ) -> None:
        state = state or {"num_bytes": 0, "num_features": 0}
        self.num_features = int(state["num_features"])
        self._path = path
        self._spec = spec
        self._form = form
        self._num_bytes = int(state["num_bytes"])
        try:
            path.touch()
            self._file = path.open("r+b", buffering=1 << 16)
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
            self._write(form.envelope[0])

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
            self._check_classes(polygons.class_index[kept])
            begins = self._form.begins(polygons.class_index[kept], polygons.first_pixel[kept])
            if self.num_features == 0:
                begins[0] = begins[0][1:]
            self.num_features += kept.size
            ends = self._form.ends(polygons.class_index[kept], polygons.num_pixels[kept])
            if self._spec.simplify_px > 0:
                for number, begin, closing in zip(kept.tolist(), begins, ends, strict=True):
                    polygon = simplify(polygons[number], self._spec.simplify_px)
                    blocks = join_rings([polygon.exterior, *polygon.holes])
                    self._write_long(begin, blocks, closing)
            elif end == first + 1:
                self._write_long(begins[0], polygons.blocks(first), ends[0])
            else:
                texts = self._form.small_rings(polygons, first, end)
                together = [b""] * (3 * kept.size)
                together[0::3] = begins
                together[1::3] = [texts[number] for number in (kept - first).tolist()]
                together[2::3] = ends
                self._write(b"".join(together))

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
        self._write(self._form.envelope[1])
        try:
            self._file.close()
        except OSError as error:
            raise self._failure(explain(error)) from error

    def abandon(self) -> None:
        """Close the file as it is; it is not valid JSON, but a state that was saved holds."""
        with contextlib.suppress(OSError):
            self._file.close()

    def _check_classes(self, class_index: NDArray[np.uint8]) -> None:
        largest, known = int(class_index.max()), len(self._spec.classes)
        if largest >= known:
            raise ConfigError(
                f"polygon of class {largest}: the class map has {known} classes; give the class "
                "map of the mask"
            )

    def _write_long(self, begin: bytes, blocks: Iterable[RingBlock], end: bytes) -> None:
        """Write one polygon in memory bounded by a part of one ring."""
        self._write(begin)
        for text in self._form.stream_rings(blocks):
            self._write(text)
        self._write(end)

    def _write(self, text: bytes) -> None:
        try:
            self._num_bytes += self._file.write(text)
        except OSError as error:
            raise self._failure(explain(error)) from error

    def _failure(self, problem: str | None) -> OutputError:
        return OutputError(f"polygons '{self._path}': {problem or 'cannot be written'}")


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
