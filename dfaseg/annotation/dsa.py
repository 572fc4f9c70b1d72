"""Polygons written as an annotation of the Digital Slide Archive while they are found.

The form is the one that large_image checks annotations against on a server; see ``read_dsa``.
"""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, pairwise, repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation.coordinates import VertexText
from dfaseg.annotation.features import RegionDigests
from dfaseg.annotation.polygon_file import PolygonSpec, PolygonWriter
from dfaseg.annotation.regions import Polygons
from dfaseg.annotation.ring_blocks import RingBlock, close_rings
from dfaseg.classmap import TissueClass

FILL_OPACITY = 0.3
LINE_WIDTH = 2

_MEMBER = "dfaseg"
"""Attribute that tells where the polygons are from."""
_ID_DIGITS = 24
"""Ids must look like those of the server's database."""
_HOLES, _END_OF_HOLES = b',"holes":[', b"]"


class DsaForm:
    """One closed polyline with holes per polygon; see ``PolygonForm``.

    Args:
        spec: What is written.
        name: Title of the annotation.
    """

    def __init__(self, spec: PolygonSpec, name: str) -> None:
        self._spec = spec
        self._name = name
        self._digests = RegionDigests(spec.identity)
        self._vertex_text = VertexText(spec.frame, tail=",0", repeats_first=False)
        self._properties = [_class_properties(entry) for entry in spec.classes]

    @property
    def envelope(self) -> tuple[bytes, bytes]:
        """The text before the first element and after the last."""
        annotation = {"name": self._name, "attributes": {_MEMBER: self._spec.facts}}
        text = json.dumps(annotation, ensure_ascii=False, allow_nan=False)
        return f'{text[:-1]}, "elements":['.encode(), b"\n]}\n"

    def begins(self, class_index: NDArray[np.uint8], first_pixel: NDArray[np.int64]) -> list[bytes]:
        """Return the text of elements up to their points."""
        return [
            b',\n{"type":"polyline","id":"%b","closed":true,"points":'
            % digest.hex()[:_ID_DIGITS].encode()
            for digest in self._digests(class_index, first_pixel)
        ]

    def ends(self, class_index: NDArray[np.uint8], num_pixels: NDArray[np.int64]) -> list[bytes]:
        """Return the text of elements after their holes."""
        areas = np.round(num_pixels * self._spec.pixel_area_um2, 4).tolist()
        return [
            f',{self._properties[index]},"user":{{"area_um2":{area},"area_px":{count}}}}}'.encode()
            for index, area, count in zip(
                class_index.tolist(), areas, num_pixels.tolist(), strict=True
            )
        ]

    def small_rings(self, polygons: Polygons, first: int, end: int) -> list[bytes]:
        """Return points and holes of each of the polygons ``first`` to ``end``."""
        first_ring = polygons.first_ring[first : end + 1]
        bounds = polygons.ring_bounds[first_ring[0] : first_ring[-1] + 1]
        vertices = polygons.vertices[bounds[0] : bounds[-1]]
        block = close_rings(vertices, bounds - bounds[0], np.arange(bounds.size - 1))
        rings = self._vertex_text.format(block).split(b"\n")
        cuts = (first_ring - first_ring[0]).tolist()
        return [rings[begin] + _holes(rings[begin + 1 : stop]) for begin, stop in pairwise(cuts)]

    def stream_rings(self, blocks: Iterable[RingBlock]) -> Iterator[bytes]:
        """Yield points and holes of one polygon."""
        separators = chain([b"", _HOLES], repeat(b","))
        before, num_ended = next(separators), 0
        for block in blocks:
            marked = dataclasses.replace(block, lasts=np.arange(block.closes.size))
            *ended, rest = self._vertex_text.format(marked).split(b"\n")
            for text in ended:
                yield before + text
                before, num_ended = next(separators), num_ended + 1
            if rest:
                yield before + rest
                before = b""
        if num_ended > 1:
            yield _END_OF_HOLES


class DsaWriter(PolygonWriter):
    """Streams polygons to a Digital Slide Archive annotation; see ``PolygonWriter``."""

    def __init__(
        self, path: Path, spec: PolygonSpec, name: str, *, state: Mapping[str, int] | None = None
    ) -> None:
        super().__init__(path, spec, DsaForm(spec, name), state=state)


def _holes(rings: list[bytes]) -> bytes:
    return _HOLES + b",".join(rings) + _END_OF_HOLES if rings else b""


def _class_properties(entry: TissueClass) -> str:
    """Return what all elements of a class have, as the inside of a JSON object."""
    red, green, blue = entry.colour
    properties = {
        "label": {"value": entry.name},
        "group": entry.name,
        "lineColor": f"rgb({red},{green},{blue})",
        "fillColor": f"rgba({red},{green},{blue},{FILL_OPACITY})",
        "lineWidth": LINE_WIDTH,
    }
    return json.dumps(properties, ensure_ascii=False, separators=(",", ":"))[1:-1]


def is_own_dsa(head: bytes) -> bool:
    """Tell by its first bytes whether dfaseg wrote a file."""
    return head.startswith(b'{"name": ') and f', "attributes": {{"{_MEMBER}": {{'.encode() in head
