"""What the names in annotations mean: classes, what is ignored, regions of interest, order."""

import colorsys
import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dfaseg.classmap import (
    IGNORE_INDEX,
    ClassMap,
    class_map_of,
    comparable_name,
    read_class_file,
)
from dfaseg.errors import AnnotationError, ClassMapError

UNNAMED = "unclassified"
"""What objects without a class are called."""
MAX_CODE = 65535
"""Largest code of a label picture."""

_PALETTE = (
    *("#d55e00", "#0072b2", "#009e73", "#e69f00", "#cc79a7", "#56b4e9"),
    *("#f0e442", "#7f3c8d", "#80b1d3", "#a5aa99", "#4b4b8f", "#6f9940"),
)
"""After Okabe & Ito, whose colours colour-blind people can tell apart."""
_GOLDEN = 0.618034
"""Turns of hue that keep even many colours apart."""
_MAX_LISTED = 12
_REMEDY = (
    "add what is missing to the class map: as a class, to the names of one, to ignore or to"
    " regions_of_interest"
)


@dataclass(frozen=True, slots=True)
class ClassRules:
    """How drawn shapes become labels.

    Attributes:
        class_map: The classes.
        indices: Class index, or 255 for what is ignored, of each name as ``comparable_name``
            returns it.
        regions_of_interest: Names, likewise, of shapes that show nothing but where to look: what
            lies outside of them is 255.
        order: Class indices from below to above where that is not the order of the file; classes
            that are not in it lie below those that are.
        background: Class index of what no shape covers; None where that is 255.
        codes: Class index, or 255, of each code of a label picture.
    """

    class_map: ClassMap
    indices: Mapping[str, int]
    regions_of_interest: frozenset[str] = frozenset()
    order: tuple[int, ...] = ()
    background: int | None = None
    codes: Mapping[int, int] = field(default_factory=dict)

    def is_region_of_interest(self, name: str) -> bool:
        """Tell whether shapes of this name say where to look."""
        return _key(name) in self.regions_of_interest

    def index_of(self, name: str) -> int:
        """Return the class index of a name, 255 for what is ignored.

        Raises:
            AnnotationError: The name is unknown or that of regions of interest.
        """
        index = self.indices.get(_key(name))
        if index is None:
            raise AnnotationError(f"class '{name or UNNAMED}' is unknown")
        return index

    def check_names(
        self, what: str, names: Iterable[str] | Mapping[str, int], remedy: str = _REMEDY
    ) -> None:
        """Refuse names that mean nothing here.

        Args:
            what: Whose names they are, e.g. "annotations 'a.geojson'".
            names: As written; where it is a mapping, with the number of shapes of each.
            remedy: What to do about it.

        Raises:
            AnnotationError: Names are unknown; they are listed, with the known ones and those that
                are written almost the same.
        """
        known = {_key(name): name for name in self.class_map.names}
        known |= {
            key: key for key in (*self.indices, *self.regions_of_interest) if key not in known
        }
        unknown = [name for name in names if _key(name) not in known]
        if not unknown:
            return
        counts = names if isinstance(names, Mapping) else {}
        listed = _listed([_describe(name, counts.get(name), known) for name in unknown])
        noun, verb = ("class", "is") if len(unknown) == 1 else ("classes", "are")
        raise AnnotationError(
            f"{what}: {noun} {listed} {verb} unknown; known are {_listed([*known.values()])}:"
            f" {remedy}"
        )


def read_class_rules(path: Path) -> ClassRules:
    """Read the rules from the TOML file of a class map.

    Tables ``[[class]]`` have index, name and colour as in every class map, and may have ``names``
    (other names of the class) and ``codes`` (its codes in label pictures, by default its index).
    Beside them may stand ``ignore`` (names, and codes of label pictures), ``regions_of_interest``
    (names), ``order`` (names of classes from below to above) and ``background`` (name of a class).

    Raises:
        ClassMapError: The file is missing or says something impossible.
    """
    content = read_class_file(path)
    class_map = class_map_of(content, path)
    try:
        return _parse_rules(content, class_map)
    except ClassMapError as error:
        raise ClassMapError(f"class map '{path}': {error}") from error


def rules_from_names(names: Iterable[str]) -> ClassRules:
    """Return rules for names that no class map explains.

    Classes come in alphabetical order, so that equal names give equal indices and colours. As in
    QuPath, "Ignore*" is ignored and "Region*" marks regions of interest.

    Raises:
        ClassMapError: There are no names, or too many.
    """
    found = {_key(name): name.strip() or UNNAMED for name in sorted(names, reverse=True)}
    ignored, regions = (
        {key for key in found if key in special} for special in (_QUPATH_IGNORE, _QUPATH_REGION)
    )
    keys = sorted(found.keys() - ignored - regions)
    records = [
        {"index": index, "name": found[key], "colour": pick_colour(index)}
        for index, key in enumerate(keys)
    ]
    return ClassRules(
        ClassMap.from_records(records),
        {key: index for index, key in enumerate(keys)} | dict.fromkeys(ignored, IGNORE_INDEX),
        frozenset(regions),
        codes=_own_codes(len(keys)),
    )


def rules_for(class_map: ClassMap) -> ClassRules:
    """Return rules under which every class has its own name and code only."""
    return ClassRules(
        class_map,
        {_key(entry.name): entry.index for entry in class_map},
        codes=_own_codes(len(class_map)),
    )


def pick_colour(index: int) -> str:
    """Return the colour of a class that nobody gave one, ``#rrggbb``; the same every time."""
    if index < len(_PALETTE):
        return _PALETTE[index]
    rgb = colorsys.hsv_to_rgb(index * _GOLDEN % 1, 0.55 + 0.2 * (index % 2), 0.85)
    return "#{:02x}{:02x}{:02x}".format(*(round(255 * part) for part in rgb))


_QUPATH_IGNORE = frozenset({"ignore*"})
_QUPATH_REGION = frozenset({"region*"})


def _key(name: str) -> str:
    return comparable_name(name) or UNNAMED


def _describe(name: str, count: int | None, known: Mapping[str, str]) -> str:
    text = f"'{name or UNNAMED}'" + ("" if count is None else f" of {count} polygons")
    near = difflib.get_close_matches(_key(name), known, n=1)
    return f"{text} (is '{known[near[0]]}' meant?)" if near else text


def _listed(texts: Sequence[str]) -> str:
    more = len(texts) - _MAX_LISTED
    return ", ".join(texts[:_MAX_LISTED]) + (f" and {more} more" if more > 0 else "")


def _own_codes(num_classes: int) -> dict[int, int]:
    return {index: index for index in range(num_classes)} | {IGNORE_INDEX: IGNORE_INDEX}


def _parse_rules(content: Mapping[str, Any], class_map: ClassMap) -> ClassRules:
    indices: dict[str, int] = {}
    codes: dict[int, int] = {}
    for record in content["class"]:
        index = record["index"]
        for name in (record["name"], *_names(record, "names")):
            _note(indices, _key(name), index, f"name '{name}'")
        for code in _codes(record.get("codes", [index])):
            _note(codes, code, index, f"code {code}")
    ignored = content.get("ignore", [])
    if not isinstance(ignored, list):
        raise ClassMapError(f'ignore is {ignored!r}; write a list of names, e.g. ["Artefact"]')
    for entry in ignored:
        if isinstance(entry, str):
            _note(indices, _key(entry), IGNORE_INDEX, f"name '{entry}'")
        else:
            (code,) = _codes([entry])
            _note(codes, code, IGNORE_INDEX, f"code {code}")
    codes.setdefault(IGNORE_INDEX, IGNORE_INDEX)
    regions = frozenset(map(_key, _names(content, "regions_of_interest")))
    twice = sorted(regions & indices.keys())
    if twice:
        raise ClassMapError(f"name '{twice[0]}' means two things")
    order = tuple(_class_index(indices, name, "order") for name in _names(content, "order"))
    background = content.get("background")
    return ClassRules(
        class_map,
        indices,
        regions,
        order,
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


def _class_index(indices: Mapping[str, int], name: object, key: str) -> int:
    index = indices.get(_key(name)) if isinstance(name, str) else None
    if index is None or index == IGNORE_INDEX:
        raise ClassMapError(
            f"{key} says {name!r}, which is no class; known are {_listed([*indices])}"
        )
    return index
