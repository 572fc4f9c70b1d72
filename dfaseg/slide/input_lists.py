"""Lists of slides as people write them: one path a line, or a table."""

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dfaseg.errors import ConfigError
from dfaseg.slide.identity import SAMPLE, identify

_GROUP_COLUMNS = ("group", "patient", "case")
_COLUMNS = ("path", "mpp", "tissue", "id", *_GROUP_COLUMNS)
_NO_PICTURE = frozenset({"auto", "none"})
_Cell = TypeVar("_Cell")


@dataclass(frozen=True, slots=True)
class ListedSlide:
    """One line of a list.

    Attributes:
        path: Path (absolute, or as seen from the working folder), URL, or ``sample``.
        id: Name for the slide; None where the list gives none.
        mpp: µm per level-0 pixel, where given.
        tissue: ``auto``, ``none`` or the path of a tissue picture, where given.
        group: E.g. a patient, where given.
    """

    path: str
    id: str | None = None
    mpp: float | None = None
    tissue: str | None = None
    group: str | None = None


def read_slide_list(path: Path) -> tuple[ListedSlide, ...]:
    """Read a text file of one path or URL a line; empty lines and those of ``#`` do not count.

    Raises:
        ConfigError: It cannot be read.
    """
    lines = [line.strip() for line in _read_text(path).splitlines()]
    return tuple(
        ListedSlide(_resolve(line, path.parent)) for line in lines if line and line[0] != "#"
    )


def read_slide_table(path: Path) -> tuple[ListedSlide, ...]:
    """Read a CSV table with headings, cells parted by commas or semicolons.

    Columns are ``path`` and, where wanted, ``mpp``, ``tissue``, ``id``, and one of ``group``,
    ``patient`` and ``case``; their order and case do not matter, and empty cells say nothing.

    Raises:
        ConfigError: It cannot be read, a column is missing or unknown, or a cell is impossible.
    """
    text = _read_text(path)
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = ";" if ";" in first and "," not in first else ","
    reader = csv.reader(text.splitlines(), delimiter=delimiter)
    # With the line as an editor counts it, for messages.
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(row)]
    except csv.Error as error:
        raise ConfigError(f"list '{path}' line {reader.line_num}: {error}; correct it") from error
    if not rows:
        return ()
    columns = [name.lower() for name in rows[0][1]]
    _check_columns(path, columns)
    return tuple(_parse_row(path, number, columns, row) for number, row in rows[1:] if any(row))


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    known = "known are path, mpp, tissue, id and group (or patient, or case)"
    for name in columns:
        if name not in _COLUMNS:
            raise ConfigError(f"list '{path}': unknown column '{name}'; {known}")
        if columns.count(name) > 1:
            raise ConfigError(f"list '{path}': has the column '{name}' twice; name each once")
    if "path" not in columns:
        raise ConfigError(f"list '{path}': lacks the column 'path'; {known}")
    groups = [name for name in columns if name in _GROUP_COLUMNS]
    if len(groups) > 1:
        raise ConfigError(f"list '{path}': '{groups[0]}' and '{groups[1]}' mean the same; keep one")


def _parse_row(path: Path, number: int, columns: Sequence[str], row: Sequence[str]) -> ListedSlide:
    """Parse one line of a table.

    Raises:
        ConfigError: The message names file and line.
    """
    where = f"list '{path}' line {number}"
    if len(row) > len(columns):
        raise ConfigError(
            f"{where}: has {len(row)} cells for {len(columns)} columns; put paths with commas in "
            "double quotes"
        )
    cells = dict(zip(columns, row, strict=False))
    if not cells["path"]:
        raise ConfigError(f"{where}: no path; fill it in or remove the line")
    group = next((cells[name] for name in _GROUP_COLUMNS if cells.get(name)), None)
    return ListedSlide(
        path=_resolve(cells["path"], path.parent),
        id=_parsed(cells, "id", _parse_id, where),
        mpp=_parsed(cells, "mpp", _parse_mpp, where),
        tissue=_parsed(cells, "tissue", lambda text: _tissue(text, path.parent), where),
        group=group,
    )


def _parsed(
    cells: Mapping[str, str], name: str, parse: Callable[[str], _Cell], where: str
) -> _Cell | None:
    """Parse a cell; None where it is empty or missing.

    Raises:
        ConfigError: The cell is impossible.
    """
    text = cells.get(name)
    if not text:
        return None
    try:
        return parse(text)
    except ValueError as error:
        raise ConfigError(f"{where}: {name} '{text}' {error}") from error


def _parse_mpp(text: str) -> float:
    try:
        mpp = float(text)
    except ValueError:
        mpp = math.nan
    if not 0 < mpp < math.inf:
        raise ValueError("is not a number above 0; give µm per pixel, e.g. 0.25")
    return mpp


def _parse_id(text: str) -> str:
    if "/" in text or "\\" in text or text.startswith("."):
        raise ValueError("cannot name files; leave out slashes and a dot at its beginning")
    return text


def _tissue(text: str, folder: Path) -> str:
    return text if text in _NO_PICTURE else _resolve(text, folder)


def _resolve(text: str, folder: Path) -> str:
    """Find a relative path beside the list, or else leave it to the working folder.

    Lists travel with their slides, and are also written by ``ls`` and ``find`` in another folder.
    """
    identity = identify(text)
    if text == SAMPLE or identity.is_remote or identity.path.is_absolute():
        return text
    beside = folder / identity.path
    return str(beside) if beside.exists() else text


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"list '{path}': cannot be read ({error}); save it as text in UTF-8"
        ) from error
