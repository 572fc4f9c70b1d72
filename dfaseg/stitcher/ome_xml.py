"""What an OME-TIFF says of a mask: OME-XML, with the classes as map annotations.

The schema is https://www.openmicroscopy.org/Schemas/OME/2016-06.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from dfaseg.classmap import IGNORE_INDEX, ClassMap
from dfaseg.errors import ClassMapError
from dfaseg.stitcher.ome import NOT_ANALYSED, MaskSpec

_SCHEMA = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
_NAMES, _COLOURS, _PLACE = "dfaseg/class-names", "dfaseg/class-colours", "dfaseg/mask"
"""Namespaces of the map annotations."""
_WHITE = "#ffffff"


@dataclass(frozen=True, slots=True)
class LabelFacts:
    """What a mask in an OME-TIFF says beside its resolution.

    Attributes:
        classes: Name and colour of each index.
        slide_id: The slide it is of; empty where nobody said.
        origin_um: Centre of the first pixel in the slide's frame, ``(x, y)``.
        level0_scale: Level-0 px per mask px, ``(x, y)``; None where nobody said.
    """

    classes: ClassMap
    slide_id: str
    origin_um: tuple[float, float]
    level0_scale: tuple[float, float] | None


def label_xml(spec: MaskSpec, record: Mapping[str, Any]) -> bytes:
    """Describe a mask of one plane as OME-XML, in ASCII.

    Args:
        spec: What the mask is.
        record: How it was made, as the mask's own store says; may say nothing.
    """
    slide_id = _told(record, "slide", "id")
    root = ElementTree.Element(
        "OME",
        {
            "xmlns": _SCHEMA,
            "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
            "xsi:schemaLocation": f"{_SCHEMA} {_SCHEMA}/ome.xsd",
            "Creator": f"dfaseg {record.get('version', '')}".strip(),
        },
    )
    image = ElementTree.SubElement(root, "Image", ID="Image:0", Name=slide_id or spec.task)
    _add_pixels(image, spec)
    annotations = ElementTree.SubElement(root, "StructuredAnnotations")
    for number, (namespace, entries) in enumerate(_maps(spec, record, slide_id).items()):
        name = f"Annotation:{number}"
        ElementTree.SubElement(image, "AnnotationRef", ID=name)
        added = ElementTree.SubElement(annotations, "MapAnnotation", ID=name, Namespace=namespace)
        value = ElementTree.SubElement(added, "Value")
        for key, text in entries:
            ElementTree.SubElement(value, "M", K=key).text = text
    return bytes(ElementTree.tostring(root, encoding="us-ascii", xml_declaration=True))


def parse_label_xml(text: str) -> LabelFacts | None:
    """Read back what ``label_xml`` wrote; None for what other programs wrote."""
    try:
        root = ElementTree.fromstring(text)
        maps = {
            entry.get("Namespace"): {
                one.get("K"): one.text or "" for one in entry.iter(f"{{{_SCHEMA}}}M")
            }
            for entry in root.iter(f"{{{_SCHEMA}}}MapAnnotation")
        }
        names, colours, place = maps[_NAMES], maps[_COLOURS], maps[_PLACE]
        classes = ClassMap.from_records(
            [
                {"index": int(index or ""), "name": name, "colour": colours[index]}
                for index, name in names.items()
                if index != str(IGNORE_INDEX)
            ]
        )
        scale = place.get("level0_px_per_mask_px")
        origin = _parse_pair(place["origin_um"])
        return LabelFacts(classes, place["slide"], origin, _parse_pair(scale) if scale else None)
    except (ElementTree.ParseError, KeyError, ValueError, ClassMapError):
        return None


def _add_pixels(image: ElementTree.Element, spec: MaskSpec) -> None:
    pixels = ElementTree.SubElement(
        image,
        "Pixels",
        ID="Pixels:0",
        DimensionOrder="XYCZT",
        Type="uint8",
        SizeX=str(spec.width),
        SizeY=str(spec.height),
        SizeC="1",
        SizeZ="1",
        SizeT="1",
        PhysicalSizeX=repr(spec.mpp_x),
        PhysicalSizeXUnit="µm",
        PhysicalSizeY=repr(spec.mpp_y),
        PhysicalSizeYUnit="µm",
    )
    ElementTree.SubElement(pixels, "Channel", ID="Channel:0:0", Name=spec.task, SamplesPerPixel="1")
    ElementTree.SubElement(pixels, "TiffData", IFD="0", PlaneCount="1")


def _told(record: Mapping[str, Any], table: str, key: str) -> str:
    """Return what a record says, or nothing where it does not: anybody may have changed it."""
    entries = record.get(table)
    return str(entries.get(key, "")) if isinstance(entries, Mapping) else ""


def _maps(
    spec: MaskSpec, record: Mapping[str, Any], slide_id: str
) -> dict[str, Iterable[tuple[str, str]]]:
    """Return keys and values of the map annotations, by namespace."""
    place = [("slide", slide_id), ("origin_um", _pair(spec.origin_x_um, spec.origin_y_um))]
    if scale := record.get("level0_px_per_mask_px"):
        place.append(("level0_px_per_mask_px", _pair(*scale)))
    if model := _told(record, "model", "name"):
        place.append(("model", model))
    ignored = str(IGNORE_INDEX)
    return {
        _NAMES: [
            *((str(entry.index), entry.name) for entry in spec.classes),
            (ignored, NOT_ANALYSED),
        ],
        _COLOURS: [
            *((str(entry.index), entry.hex_colour) for entry in spec.classes),
            (ignored, _WHITE),
        ],
        _PLACE: place,
    }


def _pair(x: float, y: float) -> str:
    return f"{float(x)!r} {float(y)!r}"


def _parse_pair(text: str) -> tuple[float, float]:
    x, y = map(float, text.split())
    return x, y
