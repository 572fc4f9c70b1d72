"""Annotations in XML: of ASAP, Aperio ImageScope or Halo."""

from collections.abc import Iterator
from typing import IO
from xml.etree import ElementTree

from dfaseg.annotation import read_asap, read_layers
from dfaseg.annotation.annotated import Annotations
from dfaseg.annotation.shape_collector import ShapeCollector

_Events = Iterator[tuple[str, ElementTree.Element]]
"""What is read, element by element."""


def read_xml(file: IO[bytes]) -> Annotations:
    """Read the polygons of an XML file region by region.

    Args:
        file: Open for bytes, at its beginning.

    Raises:
        ValueError: It is not such a file; the message says what is wrong, and where.
    """
    parser = ElementTree.iterparse(file, events=("start", "end"))
    try:
        root = _root(parser)
        if root.tag == read_asap.ROOT:
            return _read_asap(parser)
        if root.tag == read_layers.ROOT:
            return _read_layers(parser, root)
    except ElementTree.ParseError as error:
        raise ValueError(f"not valid XML ({error}); copy or export it again") from error
    raise ValueError(
        f"XML of another program (<{root.tag}>), not of ASAP, ImageScope or Halo; export them as"
        " GeoJSON"
    )


def _root(parser: _Events) -> ElementTree.Element:
    try:
        _, root = next(parser)
    except (LookupError, ValueError) as error:  # of the encoding that the file states
        raise ValueError(f"its XML cannot be decoded ({error}); save it as UTF-8") from error
    return root


def _read_asap(parser: _Events) -> Annotations:
    collector = ShapeCollector()
    for event, element in parser:
        if event == "end" and element.tag == "Annotation":
            read_asap.add_annotation(collector, element)
            element.clear()
    return collector.finish(read_asap.FORMAT_NAME)


def _read_layers(parser: _Events, root: ElementTree.Element) -> Annotations:
    collector = ShapeCollector()
    collector.mpp = _mpp(root)
    layer = read_layers.Layer()
    is_halo = False
    for event, element in parser:
        if event == "start":
            if element.tag == "Annotation":
                layer = read_layers.Layer((element.get("Name") or "").strip())
        elif element.tag == "Region":
            read_layers.add_region(collector, layer, element)
            element.clear()
        elif element.tag == "V":
            is_halo = True
        elif element.tag == "Annotation":
            read_layers.end_layer(collector, layer, element)
            element.clear()
    return collector.finish(read_layers.HALO if is_halo else read_layers.IMAGESCOPE)


def _mpp(root: ElementTree.Element) -> float | None:
    try:
        mpp = float(root.get("MicronsPerPixel") or 0)
    except ValueError:
        return None
    return mpp if mpp > 0 else None
