"""Vendor descriptions in TIFF headers."""

import pytest

from dfaseg.slide.resolution import StatedResolution
from dfaseg.slide.tiff_metadata import parse_aperio, parse_ome, to_number

OME = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
    '<Instrument><Objective ID="Objective:0" NominalMagnification="40.0"/></Instrument>'
    '<Image><Pixels SizeX="9" SizeY="9" {sizes}/></Image></OME>'
)


def test_aperio_fields_are_read_from_the_description() -> None:
    """Fields are separated by bars and may hold spaces."""
    text = "Aperio Image Library v11\r\n2x2 (240x240) JPEG|AppMag = 20|MPP = 0.4990|Left = 1.5|x"

    assert parse_aperio(text) == {"AppMag": "20", "MPP": "0.4990", "Left": "1.5"}


@pytest.mark.parametrize(
    ("sizes", "mpp"),
    [
        ('PhysicalSizeX="0.25" PhysicalSizeY="0.26"', (0.25, 0.26)),
        ('PhysicalSizeX="250" PhysicalSizeXUnit="nm" PhysicalSizeY="0.25"', (0.25, 0.25)),
        (
            'PhysicalSizeX="0.0005" PhysicalSizeXUnit="mm" '
            'PhysicalSizeY="0.5" PhysicalSizeYUnit="µm"',
            (0.5, 0.5),
        ),
    ],
    ids=["default unit", "nm", "mm"],
)
def test_ome_physical_size_is_read_in_its_unit(sizes: str, mpp: tuple[float, float]) -> None:
    """OME-XML states a length per axis with its own unit, µm by default."""
    stated, power = parse_ome(OME.format(sizes=sizes))

    assert isinstance(stated, StatedResolution)
    assert (stated.mpp_x, stated.mpp_y) == pytest.approx(mpp)
    assert power == 40.0


@pytest.mark.parametrize(
    "description",
    ["", "not xml", "<OME/>", OME.format(sizes=""), OME.format(sizes='PhysicalSizeX="1"')],
    ids=["empty", "text", "no pixels", "no sizes", "one axis"],
)
def test_ome_without_sizes_states_nothing(description: str) -> None:
    """What is missing is not invented."""
    assert parse_ome(description)[0] is None


@pytest.mark.parametrize(
    ("text", "number"),
    [("0.25", 0.25), ("0,25", 0.25), ("20x", 20.0), (" 40 ", 40.0), ("1e-1", 0.1),
     ("abc", None), ("", None), (None, None), ("-1", None)],
)  # fmt: skip
def test_numbers_are_read_with_units_and_decimal_commas(
    text: str | None, number: float | None
) -> None:
    """Scanners write numbers in the manner of the country they are set to."""
    assert to_number(text) == number
