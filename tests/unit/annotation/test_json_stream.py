"""JSON read object by object."""

import io
import json
from typing import Any

import numpy as np
import pytest

from dfaseg.annotation import json_stream
from dfaseg.annotation.json_stream import JsonStream, PointText, points_of
from dfaseg.annotation.point_lists import parse_points


def plain(value: Any) -> Any:
    """Return a value with lists in the place of points."""
    if isinstance(value, PointText):
        return json.loads(value.text)
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list) else value


def events_of(text: str) -> list[tuple[str, Any]]:
    """Return all events of a document."""
    stream = JsonStream(io.BytesIO(text.encode()))
    return [(kind, plain(value)) for kind, value, _ in stream.events()]


DOCUMENT = {
    "type": "FeatureCollection",
    "dfaseg": {"origin": [1, 2.5]},
    "features": [
        {"geometry": {"coordinates": [[[1, 2], [3.5, -4e2]]]}, "name": 'a "coordinates": [1] µ'},
        {"coordinates": 7, "points": [{"x": 1}], "holes": ["a"], "more": [[1]]},
        {"points": [], "holes": [[[1, 2, 0]], [[3, 4, 0]]], "nothing": None},
    ],
    "number": 12345678,
}


@pytest.mark.parametrize("chunk_bytes", [1, 3, 64, 70, 1 << 20])
@pytest.mark.parametrize("indent", [None, 2])
def test_documents_are_read_in_any_chunks(
    monkeypatch: pytest.MonkeyPatch, chunk_bytes: int, indent: int | None
) -> None:
    """Wherever a chunk ends: in a key, a number, a list of points, a letter of several bytes."""
    monkeypatch.setattr(json_stream, "_CHUNK_BYTES", chunk_bytes)
    text = json.dumps(DOCUMENT, indent=indent, ensure_ascii=False)

    found = events_of(text)

    assert found[:3] == [("features", feature) for feature in DOCUMENT["features"]]  # type: ignore[attr-defined]
    assert found[3:] == [("", DOCUMENT | {"features": []})]


def test_lists_and_records_are_opened() -> None:
    """The records of a server come after what they wrap."""
    record = {"_id": "1", "annotation": {"elements": [{"a": 1}], "name": "n"}}
    assert events_of(json.dumps([record, "x", 3])) == [
        ("elements", {"a": 1}),
        ("", {"elements": [], "name": "n"}),
        ("", {"_id": "1", "annotation": {}}),
        ("", "x"),
        ("", 3),
    ]


@pytest.mark.parametrize(
    "text",
    ["{", "[", "[1,", '{"a"', '{"a":', '{"a" 1}', "[1 2]", "{}{}", '{"features":[{]}', "[,]"],
)
def test_broken_documents_are_refused(text: str) -> None:
    """Nothing after an error is guessed."""
    with pytest.raises(ValueError, match="not valid JSON"):
        events_of(text)


def test_very_deep_documents_are_refused() -> None:
    """They would overflow the stack."""
    with pytest.raises(ValueError, match="not valid JSON"):
        events_of('{"a":' + "[" * 100_000 + "]" * 100_000 + "}")


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        (b"[1, 2]", (1, 2)),
        (b"[[1,2],[3,4],[5,6]]", (3, 2)),
        (b" [ [ [1,2,0] , [3,4,0] ] , [ [5,6,0] ] ] ", [(2, 3), (1, 3)]),
        (b"[[[[1,2]],[[3,4],[5,6]]],[[[7,8]]]]", [[(1, 2), (2, 2)], [(1, 2)]]),
        (b"[]", []),
        (b"[[], []]", []),
        (b"[[[], [[1,2],[3,4]]], [[]], [ ]]", [[(2, 2)]]),
    ],
)
def test_points_keep_their_nesting(text: bytes, shapes: Any) -> None:
    """Arrays stand where lists of points stood."""

    def shapes_of(value: Any) -> Any:
        return [shapes_of(one) for one in value] if isinstance(value, list) else value.shape

    assert shapes_of(parse_points(text)) == shapes


def test_points_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the text is parsed in pieces."""
    monkeypatch.setattr("dfaseg.annotation.point_lists._PIECE_BYTES", 50)
    points = np.random.default_rng(0).uniform(-1e5, 1e5, (200, 2))
    assert np.array_equal(points_of(points.tolist()), points)
    assert np.array_equal(points_of(PointText(json.dumps(points.tolist()).encode())), points)


@pytest.mark.parametrize(
    "text",
    [b"[[1,2],[3]]", b"[[1,null]]", b"[[1,2],3]", b"[[[1,2]],[3,4]]", b"7", b'"a"'],
)
def test_other_lists_are_refused(text: bytes) -> None:
    """Points of different length, missing numbers, mixed depths."""
    with pytest.raises(ValueError, match=r"\w"):
        parse_points(text)
