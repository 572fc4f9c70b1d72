"""How much tissue belongs to each class, counted while mask rows stream by."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from dfaseg.classmap import ClassMap
from dfaseg.files import write_aside
from dfaseg.native.count import count_values

_COLUMNS = ("index", "class", "pixels", "mm2", "percent")
_UM2_PER_MM2 = 1e6


@dataclass(frozen=True, slots=True)
class ClassArea:
    """Extent of one class: mask pixels, mm² and percent of the analysed tissue."""

    index: int
    name: str
    pixels: int
    mm2: float
    percent: float


@dataclass(frozen=True, slots=True)
class AreaTable:
    """Areas of all classes, in index order, absent ones included."""

    areas: tuple[ClassArea, ...]

    @property
    def analysed_mm2(self) -> float:
        """Area of the analysed tissue."""
        return sum(area.mm2 for area in self.areas)

    def write_csv(self, path: Path) -> None:
        """Write one line per class; the file appears whole or not at all.

        Raises:
            OutputError: The file cannot be written.
        """
        with write_aside(path) as aside, aside.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(_COLUMNS)
            for area in self.areas:
                figures = [f"{area.mm2:.6f}", f"{area.percent:.4f}"]
                writer.writerow([area.index, area.name, area.pixels, *figures])

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read back what ``write_csv`` has written.

        Raises:
            ValueError: It is something else.
        """
        lines = csv.DictReader(content.decode().splitlines())
        if tuple(lines.fieldnames or ()) != _COLUMNS:
            raise ValueError("not a table of areas")
        return cls(
            tuple(
                ClassArea(
                    int(line["index"]),
                    line["class"],
                    int(line["pixels"]),
                    float(line["mm2"]),
                    float(line["percent"]),
                )
                for line in lines
            )
        )


def is_area_table(head: bytes) -> bool:
    """Tell by its first bytes whether ``AreaTable`` wrote a file."""
    return head.startswith((",".join(_COLUMNS) + "\n").encode())


class AreaCounter:
    """Counts mask pixels per class.

    Args:
        classes: Classes of the mask.
        mpp_x: µm per mask pixel, horizontally.
        mpp_y: The same, vertically.
    """

    def __init__(self, classes: ClassMap, mpp_x: float, mpp_y: float) -> None:
        self._classes = classes
        self._mm2_per_pixel = mpp_x * mpp_y / _UM2_PER_MM2
        self._pixels = np.zeros(len(classes), dtype=np.int64)

    def add(self, labels: NDArray[np.uint8]) -> None:
        """Count mask rows, shape ``(h, w)``; pixels that are 255 belong to no class."""
        self._pixels += count_values(labels)[: len(self._pixels)]

    def table(self) -> AreaTable:
        """Return the areas counted so far; percentages are 0 where nothing was analysed."""
        total = max(int(self._pixels.sum()), 1)
        return AreaTable(
            tuple(
                ClassArea(
                    entry.index,
                    entry.name,
                    int(pixels),
                    float(pixels * self._mm2_per_pixel),
                    float(100 * pixels / total),
                )
                for entry, pixels in zip(self._classes, self._pixels, strict=True)
            )
        )

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return what a later run needs to go on."""
        return {"pixels": self._pixels.copy()}

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Go on from what ``state`` returned."""
        self._pixels = np.array(state["pixels"], dtype=np.int64)
