"""The pairs of image and mask of one slide, noted down beside its tiles."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dfaseg.cutting.record import SlideRecord
from dfaseg.errors import OutputError

PAIRS_ENDING = ".pairs.csv"


@dataclass(frozen=True, slots=True)
class Pair:
    """An image with its mask.

    Attributes:
        slide_id: The slide it is cut from.
        file_name: Name of the image, with its ending.
        x: Left edge in level-0 px.
        y: Upper edge in level-0 px.
        class_pixels: Pixels of each class.
    """

    slide_id: str
    file_name: str
    x: int
    y: int
    class_pixels: tuple[int, ...]

    @property
    def name(self) -> str:
        """Name without its ending."""
        return self.file_name.rpartition(".")[0]

    @property
    def main_class(self) -> int:
        """The class with most pixels."""
        return max(range(len(self.class_pixels)), key=self.class_pixels.__getitem__)


def write_pairs(path: Path, pairs: Iterable[Pair]) -> None:
    """Write one line per pair: file, x, y, pixels of each class."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        for pair in pairs:
            writer.writerow([pair.file_name, pair.x, pair.y, *pair.class_pixels])


def read_pairs(slide: SlideRecord, num_classes: int) -> list[Pair]:
    """Read the pairs of a finished slide.

    Raises:
        OutputError: The file is missing or damaged.
    """
    path = slide.path.with_name(f"{slide.slide_id}{PAIRS_ENDING}")
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [_pair(slide.slide_id, line, num_classes) for line in csv.reader(file)]
    except (OSError, ValueError) as error:
        raise OutputError(
            f"pairs '{path}': missing or damaged; move the folder they lie in away to cut the slide"
            " again"
        ) from error


def _pair(slide_id: str, line: list[str], num_classes: int) -> Pair:
    name, x, y, *pixels = line
    if len(pixels) != num_classes:
        raise ValueError(line)
    return Pair(slide_id, name, int(x), int(y), tuple(map(int, pixels)))
