"""Annotations in JSON: GeoJSON, or the Digital Slide Archive's own form."""

from typing import IO, Any

from dfaseg.annotation import read_dsa, read_geojson
from dfaseg.annotation.annotated import Annotations
from dfaseg.annotation.json_stream import JsonStream
from dfaseg.annotation.shape_collector import ShapeCollector


def read_json(file: IO[bytes]) -> Annotations:
    """Read the polygons of a JSON file object by object.

    GeoJSON may be a FeatureCollection, a list of GeoJSON features, one of them or a bare geometry;
    an annotation of the Digital Slide Archive may be bare, within the record that the server's API
    wraps round it, or in a list of either.

    Args:
        file: Open for bytes, at its beginning.

    Raises:
        ValueError: It is not such a file; the message says what is wrong, and where.
    """
    collector = ShapeCollector()
    names: set[str] = set()
    number = 0
    for kind, value, members in JsonStream(file).events():
        if kind == "features":
            if number == 0:
                collector.note_facts(members.get("dfaseg"))
            _add_feature(collector, value, number)
            number += 1
        elif kind == "elements":
            if number == 0:
                read_dsa.note_facts(collector, members)
            read_dsa.add_element(collector, value, number, members)
            number += 1
        else:
            name = _take_object(collector, value, number)
            names.add(name)
            number = number + 1 if name == read_geojson.FORMAT_NAME else 0
    names.discard("")
    if not names:
        raise ValueError("holds no annotation; export it again")
    return collector.finish(" and ".join(sorted(names)))


def _take_object(collector: ShapeCollector, value: Any, number: int) -> str:
    """Take what the document is, or one entry of its list; return the name of its format.

    The record that wraps an annotation has no format: its content has been taken before.
    """
    if not isinstance(value, dict):
        raise ValueError("not an annotation; export it again")  # noqa: TRY004 - of the file
    _check_lists(value)
    if "elements" in value:
        read_dsa.end_annotation(collector, value)
        return read_dsa.FORMAT_NAME
    if value.get("annotation") == {}:
        return ""
    _take_geojson(collector, value, number)
    return read_geojson.FORMAT_NAME


def _take_geojson(collector: ShapeCollector, value: dict[str, Any], number: int) -> None:
    kind = value.get("type")
    if kind == "FeatureCollection" and "features" in value:
        collector.note_facts(value.get("dfaseg"))
    elif kind == "Feature" or (kind is None and "geometry" in value):
        _add_feature(collector, value, number)
    elif kind in read_geojson.GEOMETRIES:
        _add_geometry(collector, value, number)
    else:
        raise ValueError(_what_is_wrong(value))


def _check_lists(value: dict[str, Any]) -> None:
    """Refuse what should be a list of objects, which come before their owner, and is not."""
    for key in ("features", "elements"):
        if value.get(key, []) != []:
            of = f" of '{value['name']}'" if isinstance(value.get("name"), str) else ""
            raise ValueError(f"the {key}{of} are not a list; export it again")


def _add_feature(collector: ShapeCollector, feature: Any, number: int) -> None:
    try:
        read_geojson.add_feature(collector, feature)
    except ValueError as error:
        raise ValueError(f"GeoJSON feature {number}: {error}; export it again") from error


def _add_geometry(collector: ShapeCollector, geometry: dict[str, Any], number: int) -> None:
    try:
        read_geojson.add_geometry(collector, geometry, "")
    except ValueError as error:
        raise ValueError(f"geometry {number}: {error}; export it again") from error


def _what_is_wrong(value: dict[str, Any]) -> str:
    if isinstance(value.get("name"), str):
        return (
            f"'{value['name']}' comes without its elements; get it from the server with"
            " GET annotation/item/ID, which gives them"
        )
    return "neither GeoJSON nor an annotation of the Digital Slide Archive; export it again"
