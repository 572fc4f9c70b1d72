"""Which class index has which name and colour, and which index is left out."""

import difflib
import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfaseg.errors import ClassMapError

IGNORE_INDEX = 255
"""Label: ignored in training. Mask: not analysed."""

CLASS_KEYS = frozenset({"index", "name", "colour", "names", "codes"})
"""What a table ``[[class]]`` of a class map may say."""
FILE_KEYS = frozenset(
    {"class", "ignore", "order", "background", "regions_of_interest"}
    | {"name", "mpp", "mpp_note", "patch_px", "glass", "source", "licence", "attribution"}
    | {"weights_licence", "intended_use", "limits"}
)
"""What may stand beside those tables: what names in annotations mean, and facts of a data set. One
file serves all commands, so each of them knows the keys of the others."""

_HEX_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True, slots=True)
class TissueClass:
    """One class: its index in masks, its name and its colour ``(r, g, b)``, each 0-255."""

    index: int
    name: str
    colour: tuple[int, int, int]

    @property
    def hex_colour(self) -> str:
        """The colour as ``#rrggbb``."""
        return "#{:02x}{:02x}{:02x}".format(*self.colour)


@dataclass(frozen=True, slots=True)
class ClassMap:
    """The classes of a model or data set, in the order of their indices 0, 1, 2, ..."""

    classes: tuple[TissueClass, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.classes) <= IGNORE_INDEX:
            raise ClassMapError(f"{len(self.classes)} classes: there must be 1 to {IGNORE_INDEX}")
        if [entry.index for entry in self.classes] != list(range(len(self.classes))):
            raise ClassMapError("class indices must be 0, 1, 2, ... without gaps")
        names = [entry.name for entry in self.classes]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ClassMapError(f"class name '{twice[0]}' is given twice; names must differ")

    def __len__(self) -> int:
        return len(self.classes)

    def __iter__(self) -> Iterator[TissueClass]:
        return iter(self.classes)

    def __getitem__(self, index: int) -> TissueClass:
        return self.classes[index]

    @property
    def names(self) -> tuple[str, ...]:
        """Class names in index order."""
        return tuple(entry.name for entry in self.classes)

    @classmethod
    def from_records(cls, records: Sequence[Mapping[str, Any]]) -> "ClassMap":
        """Build a class map from parsed JSON or TOML tables with index, name and colour.

        Raises:
            ClassMapError: A table lacks a key or holds an impossible value.
        """
        return cls(tuple(_parse_class(record) for record in records))

    def to_records(self) -> list[dict[str, Any]]:
        """Return plain tables that ``from_records`` reads back."""
        return [
            {"index": entry.index, "name": entry.name, "colour": entry.hex_colour}
            for entry in self.classes
        ]


def read_class_file(path: Path) -> dict[str, Any]:
    """Read all keys of a class map's TOML file.

    Raises:
        ClassMapError: The file is missing or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ClassMapError(f"class map '{path}': cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ClassMapError(f"class map '{path}': not in UTF-8; save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ClassMapError(f"class map '{path}': not valid TOML ({error})") from error


def class_map_of(content: Mapping[str, Any], path: Path) -> ClassMap:
    """Build the class map from the keys of its file.

    Raises:
        ClassMapError: There are no tables ``[[class]]``, or one is impossible or has a key that
            nobody knows; the file is named.
    """
    records = content.get("class")
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise ClassMapError(
            f"class map '{path}': needs one table [[class]] with index, name and colour per class"
        )
    try:
        for record in records:
            _refuse_unknown(record, CLASS_KEYS, f"class '{record.get('name', '')}': ")
        return ClassMap.from_records(sorted(records, key=_sort_key))
    except ClassMapError as error:
        raise ClassMapError(f"class map '{path}': {error}") from error


def refuse_unknown_keys(content: Mapping[str, Any], path: Path) -> None:
    """Refuse keys beside the tables ``[[class]]`` that mean nothing to any command.

    A misspelt key would be as good as none, and labels would be wrong in silence.

    Raises:
        ClassMapError: There are such keys; the file is named.
    """
    try:
        _refuse_unknown(content, FILE_KEYS, "")
    except ClassMapError as error:
        raise ClassMapError(f"class map '{path}': {error}") from error


def comparable_name(class_name: str) -> str:
    """Return a class name in the form in which names are compared.

    Lower case, single spaces in place of ``_`` and ``-``, "gray" for "grey", and accents part of
    their letters, from which some systems write them apart.
    """
    composed = unicodedata.normalize("NFC", class_name)
    words = composed.casefold().replace("_", " ").replace("-", " ").split()
    return " ".join("gray" if word == "grey" else word for word in words)


def _refuse_unknown(table: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    unknown = [_describe_key(key, known) for key in table if key not in known]
    if unknown:
        noun, verb, it = ("key", "is", "it") if len(unknown) == 1 else ("keys", "are", "them")
        raise ClassMapError(
            f"{where}{noun} {', '.join(unknown)} {verb} unknown; correct or remove {it}"
        )


def _describe_key(key: str, known: frozenset[str]) -> str:
    """Quote a key that is unknown, with the one that may be meant or the place where it belongs."""
    if key in CLASS_KEYS:
        return f"'{key}' (it belongs below a [[class]])"
    if key in FILE_KEYS and key != "class":
        return f"'{key}' (it belongs above the first [[class]])"
    near = difflib.get_close_matches(key.lower(), sorted(known), n=1)
    return f"'{key}' (is '{near[0]}' meant?)" if near else f"'{key}'"


def _sort_key(record: Mapping[str, Any]) -> int:
    """Tables may come in any order; one whose index is no number is refused later."""
    index = record.get("index")
    return index if type(index) is int else -1


def _parse_class(record: Mapping[str, Any]) -> TissueClass:
    missing = {"index", "name", "colour"} - record.keys()
    if missing:
        raise ClassMapError(f"class {dict(record)}: lacks {', '.join(sorted(missing))}")
    colour = record["colour"]
    if not isinstance(colour, str) or not _HEX_COLOUR.fullmatch(colour):
        raise ClassMapError(
            f"class '{record['name']}': colour {colour!r} is not of the form '#rrggbb'"
        )
    if type(record["index"]) is not int:
        raise ClassMapError(
            f"class '{record['name']}': index {record['index']!r} is not a whole number"
        )
    name = str(record["name"])
    is_text = not any(unicodedata.category(letter) == "Cc" for letter in name)  # of a terminal
    if not name.strip() or len(name.splitlines()) > 1 or not is_text:
        raise ClassMapError(f"class {record['index']}: name {name!r} must be one line of text")
    rgb = (int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16))
    return TissueClass(record["index"], name, rgb)
