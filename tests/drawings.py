"""Shapes as people draw them, written as each program writes them."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from dfaseg.annotation import Annotations, read_annotations

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A shape: its class, its outline and the outlines of its holes, all open."""

    name: str
    outline: Points
    holes: tuple[Points, ...] = ()


def square(
    x: float, y: float, side: float, name: str = "a", holes: tuple[Points, ...] = ()
) -> Drawn:
    """Return a square by its upper left corner."""
    return Drawn(name, ((x, y), (x + side, y), (x + side, y + side), (x, y + side)), holes)


def geojson_feature(shape: Drawn) -> dict[str, Any]:
    """Return a shape as QuPath writes it."""
    rings = [[*ring, ring[0]] for ring in (shape.outline, *shape.holes)]
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": rings},
        "properties": {"objectType": "annotation", "classification": {"name": shape.name}},
    }


def to_geojson(shapes: Sequence[Drawn]) -> str:
    """Return a FeatureCollection."""
    features = [geojson_feature(shape) for shape in shapes]
    return json.dumps({"type": "FeatureCollection", "features": features})


def to_dsa(shapes: Sequence[Drawn]) -> str:
    """Return an annotation of the Digital Slide Archive."""

    def points(ring: Points) -> list[list[float]]:
        return [[x, y, 0] for x, y in ring]

    elements = [
        {
            "type": "polyline",
            "closed": True,
            "points": points(shape.outline),
            "holes": [points(hole) for hole in shape.holes],
            "label": {"value": shape.name},
        }
        for shape in shapes
    ]
    return json.dumps({"name": "drawn", "elements": elements})


def to_asap(shapes: Sequence[Drawn]) -> str:
    """Return what ASAP writes, which has no holes."""
    annotations = "".join(
        f'<Annotation Name="Annotation {number}" Type="Polygon"'
        f" PartOfGroup={quoteattr(shape.name)}><Coordinates>"
        + "".join(
            f'<Coordinate Order="{order}" X="{x}" Y="{y}" />'
            for order, (x, y) in enumerate(shape.outline)
        )
        + "</Coordinates></Annotation>"
        for number, shape in enumerate(shapes)
    )
    return f"<ASAP_Annotations><Annotations>{annotations}</Annotations></ASAP_Annotations>"


def region(ring: Points, kind: str, vertex: str, **attributes: str) -> str:
    """Return a region of ImageScope or Halo."""
    more = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
    vertices = "".join(f'<{vertex} X="{x}" Y="{y}" />' for x, y in ring)
    return f'<Region Type="{kind}"{more}><Vertices>{vertices}</Vertices></Region>'


def layer(*regions: str, **attributes: str) -> str:
    """Return a layer of ImageScope or Halo."""
    more = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
    return f"<Annotation{more}><Regions>{''.join(regions)}</Regions></Annotation>"


def to_layers(shapes: Sequence[Drawn], kind: str, vertex: str) -> str:
    """Return one layer per shape, which keeps their order."""
    layers = [
        layer(
            *(region(hole, kind, vertex, NegativeROA="1") for hole in shape.holes),
            region(shape.outline, kind, vertex, NegativeROA="0"),
            Name=shape.name,
        )
        for shape in shapes
    ]
    return f"<Annotations>{''.join(layers)}</Annotations>"


def to_imagescope(shapes: Sequence[Drawn]) -> str:
    """Return what Aperio ImageScope writes."""
    return to_layers(shapes, "0", "Vertex")


def to_halo(shapes: Sequence[Drawn]) -> str:
    """Return what Halo writes."""
    return to_layers(shapes, "Polygon", "V")


WRITERS: Mapping[str, Callable[[Sequence[Drawn]], str]] = {
    "GeoJSON": to_geojson,
    "Digital Slide Archive JSON": to_dsa,
    "Aperio ImageScope XML": to_imagescope,
    "Halo XML": to_halo,
    "ASAP XML": to_asap,
}
"""By the name that the reader gives the form."""


def read_text(folder: Path, text: str, name: str = "a.txt") -> Annotations:
    """Write a file and read it back; its name says nothing."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_annotations(path)
