"""One line for each finished slide of a folder."""

import csv
from collections.abc import Sequence
from pathlib import Path

from dfaseg.cutting.record import SlideRecord
from dfaseg.files import write_aside

SUMMARY_FILE = "slides.csv"
_COLUMNS = (
    *("slide", "group", "tiles", "unreadable", "unlabelled"),
    *("tissue_percent", "tissue_mm2"),
)


def write_summary(path: Path, slides: Sequence[SlideRecord]) -> None:
    """Write one line per slide.

    Raises:
        OutputError: The file cannot be written.
    """
    with write_aside(path) as aside, aside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for slide in slides:
            counts = [slide.num_tiles, slide.num_unreadable, slide.num_unlabelled]
            figures = [f"{slide.tissue_percent:.2f}", f"{slide.tissue_mm2:.4f}"]
            writer.writerow([slide.slide_id, slide.group or "", *counts, *figures])


def is_own_summary(first_line: str) -> bool:
    """Tell whether a file that begins like this is a summary of ours."""
    return first_line == ",".join(_COLUMNS) + "\n"
