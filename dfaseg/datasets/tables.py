"""CSV tables that come with images."""

import csv
from collections.abc import Sequence
from pathlib import Path

from dfaseg.errors import DatasetError


def read_table(path: Path, columns: Sequence[str], remedy: str) -> list[dict[str, str]]:
    """Read a table with headings; spaces around cells do not count, nor capitals in headings.

    Args:
        path: CSV in UTF-8, its cells parted by commas or, as some spreadsheets write it, by
            semicolons. Empty lines are left out.
        columns: Headings that must be there, in small letters.
        remedy: What to do about a damaged table, e.g. "download it again from ...".

    Returns:
        One mapping from headings, in small letters, to cells per line.

    Raises:
        DatasetError: The table cannot be read, lacks a column, has one twice or a line cut short.
    """
    lines = [line for line in _read_lines(path, remedy) if any(line)]
    headings = [heading.lower() for heading in lines[0]] if lines else []
    for column in columns:
        if column not in headings:
            raise DatasetError(f"table '{path}': lacks the column '{column}'; {remedy}")
    for heading in filter(None, headings):
        if headings.count(heading) > 1:
            raise DatasetError(f"table '{path}': has the column '{heading}' twice; keep one")
    for number, line in enumerate(lines[1:], 1):
        if len(line) < len(headings):
            raise DatasetError(
                f"table '{path}': entry {number} ('{line[0]}') has {len(line)} of {len(headings)}"
                f" columns; {remedy}"
            )
    return [dict(zip(headings, line, strict=False)) for line in lines[1:]]


def _read_lines(path: Path, remedy: str) -> list[list[str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        first, _, _ = text.partition("\n")
        delimiter = ";" if ";" in first and "," not in first else ","
        rows = csv.reader(text.splitlines(), delimiter=delimiter)
        return [[cell.strip() for cell in row] for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"table '{path}': cannot be read ({error}); {remedy}") from error
