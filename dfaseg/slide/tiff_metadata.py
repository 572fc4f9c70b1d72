"""What TIFF headers say of a slide: its resolution, objective and the vendor's own properties."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.etree import ElementTree

from tifffile import TiffFile, TiffPage

from dfaseg.slide.orientation import UPRIGHT, known_orientation
from dfaseg.slide.resolution import StatedResolution

_UM_PER_UNIT = {
    "m": 1e6, "dm": 1e5, "cm": 1e4, "mm": 1e3, "µm": 1.0, "um": 1.0, "nm": 1e-3, "pm": 1e-6,
}  # fmt: skip
_INCH = 2
_UM_PER_RESOLUTION_UNIT = {_INCH: 25400.0, 3: 10000.0}
"""Tag 296: 2 = inch, which is meant where it is missing, 3 = centimetre; 1 is no unit."""
_TEXT_TAGS = {271: "Make", 272: "Model", 305: "Software", 306: "DateTime"}


@dataclass(frozen=True, slots=True)
class TiffMetadata:
    """Facts from the headers, believable or not.

    Attributes:
        resolutions: What is said of it, the best source first.
        objective_power: Magnification of the objective.
        properties: The vendor's own.
        orientation: How a viewer is asked to turn the picture; 1 is as it is stored.
    """

    resolutions: tuple[StatedResolution, ...] = ()
    objective_power: float | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    orientation: int = UPRIGHT


def read_metadata(tiff: TiffFile) -> TiffMetadata:
    """Gather what the first directory states."""
    page = tiff.pages.first
    properties = _text_tags(page)
    stated: StatedResolution | None = None
    power: float | None = None
    if tiff.is_svs:
        aperio = parse_aperio(page.description)
        properties |= {f"aperio.{key}": value for key, value in aperio.items()}
        mpp = to_number(aperio.get("MPP"))
        stated = StatedResolution(mpp, mpp, "metadata") if mpp is not None else None
        power = to_number(aperio.get("AppMag"))
    elif tiff.is_ome:
        stated, power = parse_ome(page.description)
    tags = tag_resolution(page)
    resolutions = tuple(entry for entry in (stated, tags) if entry is not None)
    return TiffMetadata(resolutions, power, properties, stated_orientation(page))


def stated_orientation(page: TiffPage) -> int:
    """Return how a viewer is asked to turn a directory's picture, 1 to 8."""
    return known_orientation(page.tags.valueof(274))


def parse_aperio(description: str) -> dict[str, str]:
    """Return the ``key = value`` fields that Aperio joins with ``|`` in its description."""
    fields = (field.partition("=") for field in description.split("|")[1:])
    return {key.strip(): value.strip() for key, sign, value in fields if sign}


def parse_ome(description: str) -> tuple[StatedResolution | None, float | None]:
    """Return resolution and objective power from OME-XML; ``None`` for what it does not state."""
    try:
        root = ElementTree.fromstring(description)
    except ElementTree.ParseError:
        return None, None
    pixels = root.find(".//{*}Pixels")
    objective = root.find(".//{*}Objective")
    power = None if objective is None else to_number(objective.get("NominalMagnification"))
    if pixels is None:
        return None, power
    mpp_x, mpp_y = _physical_size(pixels, "X"), _physical_size(pixels, "Y")
    if mpp_x is None or mpp_y is None:
        return None, power
    return StatedResolution(mpp_x, mpp_y, "metadata"), power


def tag_resolution(page: TiffPage) -> StatedResolution | None:
    """Return the resolution of the TIFF tags, pixels per inch or centimetre, in µm per pixel."""
    # No unit (1) is false for tifffile, which must not make it the inches of a tag that is missing.
    um = _UM_PER_RESOLUTION_UNIT.get(int(page.tags.valueof(296, _INCH)))
    density_x, density_y = (_ratio(page.tags.valueof(code)) for code in (282, 283))
    # One pixel per inch is what writers put into these required tags when they know nothing.
    if um is None or min(density_x, density_y) <= 1:
        return None
    return StatedResolution(um / density_x, um / density_y, "tiff tags")


def to_number(text: str | None) -> float | None:
    """Return the number at the start of a text, a decimal comma allowed; ``None`` without one."""
    match = re.match(r"\s*(\d+(?:[.,]\d*)?(?:[eE][+-]?\d+)?)", text or "")
    return float(match[1].replace(",", ".")) if match else None


def _physical_size(pixels: ElementTree.Element, axis: str) -> float | None:
    size = to_number(pixels.get(f"PhysicalSize{axis}"))
    um = _UM_PER_UNIT.get(pixels.get(f"PhysicalSize{axis}Unit", "µm"))
    return None if size is None or um is None else size * um


def _ratio(value: object) -> float:
    """Return a TIFF fraction as a number; 0 for none or an impossible one."""
    if not isinstance(value, tuple) or len(value) != 2 or not value[1]:
        return 0.0
    return float(value[0]) / float(value[1])


def _text_tags(page: TiffPage) -> dict[str, str]:
    values = ((name, page.tags.valueof(code)) for code, name in _TEXT_TAGS.items())
    return {f"tiff.{name}": str(value) for name, value in values if value}
