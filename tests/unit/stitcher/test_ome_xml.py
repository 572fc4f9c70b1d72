"""The OME-XML of a mask: written, read back, and checked against the schema where there is one."""

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dfaseg.classmap import ClassMap, TissueClass
from dfaseg.stitcher.ome import MaskSpec
from dfaseg.stitcher.ome_xml import label_xml, parse_label_xml

CLASSES = ClassMap(
    (TissueClass(0, 'stroma & <fat> "µ"', (0, 0, 255)), TissueClass(1, "tumour", (9, 8, 7)))
)
SPEC = MaskSpec(70, 50, CLASSES, 1 / 3, 0.5, origin_x_um=0.125, origin_y_um=0.25)
RECORD: dict[str, Any] = {
    "version": "0.1.0",
    "slide": {"id": "s <1>"},
    "model": {"name": "tiny"},
    "level0_px_per_mask_px": [4 / 3, 2.0],
}


@pytest.mark.parametrize(
    "record",
    [RECORD, {}, {"slide": "s", "model": ["tiny"]}],
    ids=["full", "empty", "changed by somebody"],
)
def test_facts_come_back(record: dict[str, Any]) -> None:
    """Names with any sign, colours, place and scale, to the last digit."""
    text = label_xml(SPEC, record).decode("ascii")

    facts = parse_label_xml(text)

    assert facts is not None
    assert facts.classes == CLASSES
    assert facts.origin_um == (0.125, 0.25)
    is_whole = record is RECORD
    assert facts.slide_id == ("s <1>" if is_whole else "")
    assert facts.level0_scale == ((4 / 3, 2.0) if is_whole else None)


@pytest.mark.parametrize(
    "text",
    ["", "no XML", "<OME/>", label_xml(SPEC, RECORD).decode().replace("#090807", "red")],
    ids=["empty", "text", "other", "bad colour"],
)
def test_what_others_wrote_says_nothing(text: str) -> None:
    """It is read as any OME-TIFF then, without names."""
    assert parse_label_xml(text) is None


def test_equal_masks_give_equal_text() -> None:
    """No times and no random ids."""
    assert label_xml(SPEC, RECORD) == label_xml(replace(SPEC), dict(RECORD))


def test_text_follows_the_schema() -> None:
    """Elements, their order and their attributes are those of OME-XML 2016-06."""
    xmlschema = pytest.importorskip("xmlschema")
    package = importlib.util.find_spec("ome_types")
    if package is None or package.origin is None:
        pytest.skip("no OME-XML schema; pip install --no-deps ome-types")
    schema = xmlschema.XMLSchema(Path(package.origin).with_name("ome-2016-06.xsd"))

    problems = [str(error) for error in schema.iter_errors(label_xml(SPEC, RECORD).decode())]

    assert problems == []
