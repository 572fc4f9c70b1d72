"""Case and split of each image of a data set, as ``dfaseg train`` reads them."""

import csv
import hashlib
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path

from dfaseg.classmap import ClassMap
from dfaseg.cutting.pairs_file import Pair
from dfaseg.errors import OutputError
from dfaseg.files import write_aside
from dfaseg.sharing.part import HIDDEN_FOLDER

MANIFEST_FILE = "manifest.csv"
_COLUMNS = ("name", "case", "split", "slide", "x", "y")
"""After them comes one per class."""
_NOTES = f"{HIDDEN_FOLDER}/manifests"
"""Folder beside a manifest, with a file called like the hash of each that we wrote."""


def write_manifest(path: Path, classes: ClassMap, lines: Iterable[tuple[Pair, str, str]]) -> None:
    """Write one line for each pair, with its case and split.

    Raises:
        OutputError: The file cannot be written.
    """
    heading = [*_COLUMNS, *(f"px {name}" for name in classes.names)]
    cells = (
        [pair.file_name, case, split, pair.slide_id, pair.x, pair.y, *pair.class_pixels]
        for pair, case, split in lines
    )
    _write(path, chain([heading], cells), is_ours=True)


def drop_from_manifest(path: Path, is_gone: Callable[[str, str], bool]) -> tuple[set[str], int]:
    """Take images out of a manifest; what is said of the others stays as it is.

    Args:
        path: The manifest.
        is_gone: Told the names of a slide and of an image of it.

    Returns:
        The slides of the images that are taken out, and how many images are left.

    Raises:
        OutputError: The manifest cannot be read or written.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            heading, *lines = csv.reader(file)
        is_ours = not was_changed(path)
    except (OSError, ValueError, csv.Error) as error:
        raise OutputError(f"output '{path}': cannot be read; move it away") from error
    name, slide = _COLUMNS.index("name"), _COLUMNS.index("slide")
    left = [line for line in lines if len(line) <= slide or not is_gone(line[slide], line[name])]
    if len(left) < len(lines):
        _write(path, [heading, *left], is_ours=is_ours)
    gone = {line[slide] for line in lines if len(line) > slide}
    return gone - {line[slide] for line in left if len(line) > slide}, len(left)


def was_changed(path: Path) -> bool:
    """Tell whether somebody has changed a manifest of ours, such as a case or split in it.

    Where nothing was noted down, as in a folder that was copied without hidden ones, none was.

    Raises:
        OSError: It cannot be read.
    """
    digest = _digest(path)  # first: another job notes its manifest down before it is there
    notes = path.parent / _NOTES
    return notes.is_dir() and not (notes / digest).exists()


def is_own_manifest(first_line: str) -> bool:
    """Tell whether a file that begins like this is a manifest of ours."""
    return first_line.startswith(",".join(_COLUMNS) + ",")


def _write(path: Path, lines: Iterable[Sequence[object]], *, is_ours: bool) -> None:
    """Write a manifest; where it is ours, note down how to know it again.

    Raises:
        OutputError: It cannot be written.
    """
    with write_aside(path) as aside:
        with aside.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(lines)
        if is_ours:
            # A file for each, for several jobs may write manifests at a time.
            note = path.parent / _NOTES / _digest(aside)
            note.parent.mkdir(parents=True, exist_ok=True)
            note.touch()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
