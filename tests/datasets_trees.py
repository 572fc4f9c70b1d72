"""Small made-up trees with the genuine layout of published data sets."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

GLAS_ROWS = [
    ("train_1", "1", "benign"),
    ("train_2", "1", "malignant"),
    ("train_3", "2", "benign"),
    ("train_4", "2", "malignant"),
    ("train_5", "3", "benign"),
    ("train_6", "4", "malignant"),
    ("testA_1", "1", "benign"),
    ("testA_2", "5", "malignant"),
    ("testB_1", "6", "malignant"),
]
"""Name, patient and grade; patient 1 lies in train and test, as in the genuine set."""


def write_picture(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write a picture and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def make_image(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return noise, RGB, shape ``(height, width, 3)``."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def make_mask(width: int, height: int, codes: Sequence[int]) -> NDArray[np.uint8]:
    """Return columns of equal codes, shape ``(height, width)``."""
    columns = np.arange(width) * len(codes) // width
    return np.tile(np.array(codes, np.uint8)[columns], (height, 1))


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a CSV table."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def write_glas_table(root: Path, rows: Iterable[Sequence[str]] = GLAS_ROWS) -> None:
    """Write ``Grade.csv`` with its stray spaces."""
    header = ("name", "patient ID", " grade (GlaS)", " grade (Sirinukunwattana et al. 2015)")
    lines = [(name, patient, f" {grade}", " adenomatous") for name, patient, grade in rows]
    write_table(root / "Grade.csv", header, lines)


def write_glas_tree(root: Path) -> None:
    """Write a tree laid out like GlaS as published: all files in one folder."""
    write_glas_table(root)
    for number, (name, _, _) in enumerate(GLAS_ROWS):
        width = 31 + number
        write_picture(root / f"{name}.bmp", make_image(width, 22, number))
        write_picture(root / f"{name}_anno.bmp", make_mask(width, 22, (0, 1, 2, 7)))


def write_crag_tree(root: Path, test_folder: str = "valid", masks: str = "Annotation") -> None:
    """Write a tree laid out like CRAG, with 54 training and 2 test images."""
    for split, count in (("train", 54), (test_folder, 2)):
        prefix = "train" if split == "train" else "test"
        for number in range(1, count + 1):
            name = f"{prefix}_{number}.png"
            width = 8 + number % 3
            write_picture(root / split / "Images" / name, make_image(width, 6, number))
            write_picture(root / split / masks / name, make_mask(width, 6, (0, 3)))


CLASSES_TOML = """\
mpp = 0.5

[[class]]
index = 0
name = "stroma"
colour = "#d9d9d9"

[[class]]
index = 1
name = "tumour"
colour = "#c1121f"
codes = [1, 19]
"""


def write_folder_tree(root: Path, names: Iterable[str], toml: str = CLASSES_TOML) -> None:
    """Write images, masks (codes 0, 1, 19 and 255) and classes.toml."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "classes.toml").write_text(toml, encoding="utf-8")
    for number, name in enumerate(names):
        write_pair(root, name, number)


def write_pair(folder: Path, name: str, seed: int = 0) -> None:
    """Write an image and its mask into the folders ``images`` and ``masks``."""
    write_picture(folder / "images" / f"{name}.png", make_image(8, 6, seed))
    write_picture(folder / "masks" / f"{name}.png", make_mask(8, 6, (0, 1, 19, 255)))
