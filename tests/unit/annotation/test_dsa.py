"""The annotation that the Digital Slide Archive takes: keys, points and holes, ids, limits."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from dfaseg.annotation import (
    DsaWriter,
    MaskFrame,
    Polygonizer,
    polygonize,
    regions,
    ring_blocks,
)
from dfaseg.errors import ConfigError
from tests.outlines import cut_rows, parse_mask, spec

FRAME = parse_mask("00000\n02220\n02120\n02220\n00000\n1111.")
NUMBER = {"type": "number"}
POINTS = {
    "type": "array",
    "minItems": 3,
    "items": {"type": "array", "items": NUMBER, "minItems": 3, "maxItems": 3},
}
COLOUR = {
    "type": "string",
    "pattern": r"^(rgb\(\d+,\s*\d+,\s*\d+\)|rgba\(\d+,\s*\d+,\s*\d+,\s*(\d?\.|)\d+\))$",
}
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "attributes": {"type": "object"},
        "elements": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["type", "points"],
                "properties": {
                    "type": {"enum": ["polyline"]},
                    "id": {"type": "string", "pattern": "^[0-9a-f]{24}$"},
                    "closed": {"type": "boolean"},
                    "points": POINTS,
                    "holes": {"type": "array", "items": POINTS},
                    "label": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["value"],
                        "properties": {"value": {"type": "string"}},
                    },
                    "group": {"type": "string"},
                    "lineColor": COLOUR,
                    "fillColor": COLOUR,
                    "lineWidth": {"type": "number", "minimum": 0},
                    "user": {"type": "object"},
                },
            },
        },
    },
}
"""What a server checks, in our words: the parts that concern closed polylines."""


def write_dsa(mask: np.ndarray, path: Path, cuts: Sequence[int] = (2,), **changes: Any) -> bytes:
    """Write a mask's polygons to a file and return its bytes."""
    spool = path.with_name("spool")
    with (
        Polygonizer(mask.shape[1], spool=spool) as polygonizer,
        DsaWriter(path, spec(**changes), "test") as writer,
    ):
        for strip in cut_rows(mask, cuts):
            writer.write(polygonizer.add_rows(strip))
        writer.write(polygonizer.finish())
    return path.read_bytes()


def elements(path: Path, mask: np.ndarray = FRAME, **changes: Any) -> list[dict[str, Any]]:
    """Write a mask and parse the elements."""
    found: list[dict[str, Any]] = json.loads(write_dsa(mask, path, **changes))["elements"]
    return found


def test_annotation_is_what_a_server_takes(tmp_path: Path) -> None:
    """Keys, types and patterns are those of its schema, holes and odd names included."""
    annotation = json.loads(write_dsa(FRAME, tmp_path / "a", metadata={"slide": "s"}))
    jsonschema.validate(annotation, SCHEMA)
    assert annotation["attributes"]["dfaseg"]["slide"] == "s"
    assert {one["label"]["value"] for one in annotation["elements"]} == {
        "tumour", "stroma", 'fat, µ "x"',
    }  # fmt: skip


def test_points_are_open_rings_and_holes_lie_apart(tmp_path: Path) -> None:
    """No point is given twice; z is 0; coordinates are level-0 px."""
    ring = next(one for one in elements(tmp_path / "a") if one["group"] == 'fat, µ "x"')
    assert ring["points"] == [[4, 4, 0], [16, 4, 0], [16, 16, 0], [4, 16, 0]]
    assert [sorted(hole) for hole in ring["holes"]] == [
        [[8, 8, 0], [8, 12, 0], [12, 8, 0], [12, 12, 0]]
    ]
    assert ring["closed"] is True
    assert ring["user"] == {"area_um2": 8 * 2.5, "area_px": 8}


def test_polygon_without_holes_has_no_such_key(tmp_path: Path) -> None:
    """What is not there is not written."""
    assert "holes" not in elements(tmp_path / "a", parse_mask("11"))[0]


def test_fractions_keep_enough_decimals(tmp_path: Path) -> None:
    """Rounded to the mask's scale they are its vertices; the origin is taken off."""
    frame = MaskFrame(1 / 3, 1 / 3, 10, 0)
    points = elements(tmp_path / "a", parse_mask(".1"), frame=frame)[0]["points"]
    assert np.rint((np.array(points)[:, :2] + (10, 0)) * 3).tolist() == [
        [1, 0], [2, 0], [2, 1], [1, 1],
    ]  # fmt: skip


def test_ids_stay_the_same_and_differ(tmp_path: Path) -> None:
    """The same region of the same slide keeps its id; another slide's has another."""
    ids = [one["id"] for one in elements(tmp_path / "a")]
    again = [one["id"] for one in elements(tmp_path / "b")]
    others = [one["id"] for one in elements(tmp_path / "c", identity="x")]
    assert ids == again
    assert len({*ids, *others}) == 2 * len(ids)


def test_long_outlines_and_small_ones_are_the_same_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether rings are in memory or in the spool, whole or in pieces, makes no difference."""
    mask = np.random.default_rng(3).integers(0, 2, (40, 50)).astype(np.uint8)
    usual = write_dsa(mask, tmp_path / "a", cuts=())
    monkeypatch.setattr(polygonize, "_LONG_EDGES", 20)
    for module in (ring_blocks, regions):
        monkeypatch.setattr(module, "BLOCK_VERTICES", 7)
    cut = write_dsa(mask, tmp_path / "b", cuts=range(1, 40))
    assert cut == usual
    jsonschema.validate(json.loads(cut), SCHEMA)


def test_simplified_polygons_stay_valid_elements(tmp_path: Path) -> None:
    """Fewer points, the same keys, the area of the exact region."""
    mask = np.kron(
        np.eye(12, dtype=np.uint8) | np.tri(12, dtype=np.uint8), np.ones((3, 3), np.uint8)
    )
    exact, simple = elements(tmp_path / "a", mask), elements(tmp_path / "b", mask, simplify_px=4.0)
    jsonschema.validate({"name": "x", "elements": simple}, SCHEMA)
    assert sum(len(one["points"]) for one in simple) < sum(len(one["points"]) for one in exact)
    assert [one["user"] for one in simple] == [one["user"] for one in exact]


def test_empty_mask_gives_no_elements(tmp_path: Path) -> None:
    """And still a valid annotation."""
    assert elements(tmp_path / "a", parse_mask("..\n..")) == []


def test_unknown_class_is_refused(tmp_path: Path) -> None:
    """The message names the class."""
    with pytest.raises(ConfigError, match="polygon of class 7"):
        write_dsa(np.full((2, 2), 7, np.uint8), tmp_path / "a")
