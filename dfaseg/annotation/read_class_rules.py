"""The rules of a class map's TOML file: what names and codes mean."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dfaseg.annotation.class_rules import ClassRules, list_some, name_key
from dfaseg.classmap import (
    IGNORE_INDEX,
    ClassMap,
    class_map_of,
    read_class_file,
    refuse_unknown_keys,
)
from dfaseg.errors import ClassMapError

MAX_CODE = 65535
"""Largest code of a label picture."""


def read_class_rules(path: Path) -> ClassRules:
    """Read the rules from the TOML file of a class map.

    Tables ``[[class]]`` have index, name and colour as in every class map, and may have ``names``
    (other names of the class) and ``codes`` (its codes in label pictures, by default its index).
    Beside them may stand ``ignore`` (names, and codes of label pictures), ``regions_of_interest``
    (names), ``order`` (names of classes from below to above) and ``background`` (name of a class),
    and what data sets say of themselves.

    Raises:
        ClassMapError: The file is missing, says something impossible or has keys that nobody knows.
    """
    content = read_class_file(path)
    refuse_unknown_keys(content, path)
    class_map = class_map_of(content, path)
    try:
        return _parse_rules(content, class_map)
    except ClassMapError as error:
        raise ClassMapError(f"class map '{path}': {error}") from error


def _parse_rules(content: Mapping[str, Any], class_map: ClassMap) -> ClassRules:
    indices: dict[str, int] = {}
    codes: dict[int, int] = {}
    for record in content["class"]:
        index = record["index"]
        for name in (record["name"], *_names(record, "names")):
            _note(indices, name_key(name), index, f"name '{name}'")
        for code in _codes(record.get("codes", [index])):
            _note(codes, code, index, f"code {code}")
    ignored = content.get("ignore", [])
    if not isinstance(ignored, list):
        raise ClassMapError(f'ignore is {ignored!r}; write a list of names, e.g. ["Artefact"]')
    for entry in ignored:
        if isinstance(entry, str):
            _note(indices, name_key(entry), IGNORE_INDEX, f"name '{entry}'")
        else:
            (code,) = _codes([entry])
            _note(codes, code, IGNORE_INDEX, f"code {code}")
    codes.setdefault(IGNORE_INDEX, IGNORE_INDEX)
    regions = frozenset(map(name_key, _names(content, "regions_of_interest")))
    twice = sorted(regions & indices.keys())
    if twice:
        raise ClassMapError(f"name '{twice[0]}' means two things")
    background = content.get("background")
    return ClassRules(
        class_map,
        indices,
        regions,
        _order(indices, content),
        None if background is None else _class_index(indices, background, "background"),
        codes,
    )


def _note(meanings: dict[Any, int], key: object, index: int, what: str) -> None:
    if meanings.setdefault(key, index) != index:
        raise ClassMapError(f"{what} means two things")


def _names(table: Mapping[str, Any], key: str) -> list[str]:
    names = table.get(key, [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ClassMapError(f'{key} is {names!r}; write a list of names, e.g. ["Tumor"]')
    return names


def _codes(codes: object) -> list[int]:
    if isinstance(codes, list) and all(
        type(code) is int and 0 <= code <= MAX_CODE for code in codes
    ):
        return codes
    raise ClassMapError(
        f"codes {codes!r} must be a list of whole numbers from 0 to {MAX_CODE}, e.g. [1, 19]"
    )


def _order(indices: Mapping[str, int], content: Mapping[str, Any]) -> tuple[int, ...]:
    order = tuple(_class_index(indices, name, "order") for name in _names(content, "order"))
    if len(set(order)) < len(order):
        raise ClassMapError("order names a class twice; name each once, from below to above")
    return order


def _class_index(indices: Mapping[str, int], name: object, key: str) -> int:
    index = indices.get(name_key(name)) if isinstance(name, str) else None
    if index is None or index == IGNORE_INDEX:
        known = [name for name, meaning in indices.items() if meaning != IGNORE_INDEX]
        raise ClassMapError(f"{key} says {name!r}, which is no class; known are {list_some(known)}")
    return index
