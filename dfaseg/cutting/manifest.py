"""Case and split of each image of a data set, as ``dfaseg train`` reads them."""

import csv
from collections.abc import Callable, Iterable
from pathlib import Path

from dfaseg.classmap import ClassMap
from dfaseg.cutting.pairs_file import Pair
from dfaseg.errors import OutputError
from dfaseg.files import write_aside

MANIFEST_FILE = "manifest.csv"
_COLUMNS = ("name", "case", "split", "slide", "x", "y")
"""After them comes one per class."""


def write_manifest(path: Path, classes: ClassMap, lines: Iterable[tuple[Pair, str, str]]) -> None:
    """Write one line for each pair, with its case and split.

    Raises:
        OutputError: The file cannot be written.
    """
    with write_aside(path) as aside, aside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*_COLUMNS, *(f"px {name}" for name in classes.names)])
        for pair, case, split in lines:
            place = [pair.slide_id, pair.x, pair.y]
            writer.writerow([pair.file_name, case, split, *place, *pair.class_pixels])


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
    except (OSError, ValueError, csv.Error) as error:
        raise OutputError(f"output '{path}': cannot be read; move it away") from error
    name, slide = _COLUMNS.index("name"), _COLUMNS.index("slide")
    left = [line for line in lines if len(line) <= slide or not is_gone(line[slide], line[name])]
    if len(left) < len(lines):
        with write_aside(path) as aside, aside.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([heading, *left])
    gone = {line[slide] for line in lines if len(line) > slide}
    return gone - {line[slide] for line in left if len(line) > slide}, len(left)


def is_own_manifest(first_line: str) -> bool:
    """Tell whether a file that begins like this is a manifest of ours."""
    return first_line.startswith(",".join(_COLUMNS) + ",")
