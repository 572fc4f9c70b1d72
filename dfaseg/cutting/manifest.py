"""Case and split of each image of a data set, as ``dfaseg train`` reads them."""

import csv
from collections.abc import Iterable
from pathlib import Path

from dfaseg.classmap import ClassMap
from dfaseg.cutting.pairs_file import Pair
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


def is_own_manifest(first_line: str) -> bool:
    """Tell whether a file that begins like this is a manifest of ours."""
    return first_line.startswith(",".join(_COLUMNS) + ",")
