"""EBHI-Seg: 1,981 colorectal biopsy images with six tissue classes and background."""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfaseg.classmap import IGNORE_INDEX, ClassMap
from dfaseg.datasets.checks import check_cases, check_files, check_names, find_by_stem
from dfaseg.datasets.dataset import Dataset, DatasetInfo, Example, LabelledImage
from dfaseg.datasets.pictures import CodeTable, PairReader
from dfaseg.datasets.tables import read_table
from dfaseg.errors import DatasetError

SOURCE = "https://doi.org/10.6084/m9.figshare.21540159"
REMEDY = f"download the data again from {SOURCE}"
SPLITS = ("train", "val", "test")
SIDE_PX = 224
FRAME_PX = 2
"""A dark frame one pixel wide runs round the images; JPEG smears it into the next pixel."""

# Neutral grey for background, blue-green to yellow for what is harmless, orange to dark red
# for what is not: after the palette of Okabe & Ito, which colour-blind people can tell apart.
_CLASSES = (
    ("Background", "#d9d9d9"),
    ("Normal", "#009e73"),
    ("Polyp", "#56b4e9"),
    ("Low-grade IN", "#f0e442"),
    ("High-grade IN", "#e69f00"),
    ("Adenocarcinoma", "#c1121f"),
    ("Serrated adenoma", "#8b5fbf"),
)

INFO = DatasetInfo(
    name="EBHI-Seg",
    class_map=ClassMap.from_records(
        [{"index": i, "name": name, "colour": hue} for i, (name, hue) in enumerate(_CLASSES)]
    ),
    mpp=1.4,
    mpp_note="estimated from the size of nuclei and crypts; the authors publish none",
    source=SOURCE,
    licence="CC BY 4.0",
    attribution="Hu et al., EBHI-Seg, figshare 21540159",
    glass_index=0,
    weights_licence="CC BY 4.0 (attribution: Hu et al., EBHI-Seg, figshare 21540159)",
    intended_use="Research on H&E-stained colorectal biopsies; a first look at glands and lesions.",
    limits=(
        "Not for diagnosis. Trained on biopsies of one centre at one magnification; other organs,"
        " stains and scanners were not seen. The grades of neoplasia look alike in small fields"
        " of view, and nearly every training image shows one kind of lesion only. Tissue that it"
        " never saw can be taken for a lesion: squamous epithelium and keratin at times, dense"
        " inflammation seldom; and nests of other tumours for normal glands."
    ),
    patch_px=SIDE_PX,
)

_READER = PairReader(CodeTable({index: index for index in range(len(_CLASSES))}), REMEDY)


def read_ebhi(root: Path) -> Dataset:
    """Read EBHI-Seg as split by case: folders train, val, test and ``split.csv``.

    Args:
        root: Folder with ``split.csv`` and, per split, ``images/*.jpg`` and ``masks/*.png``.

    Returns:
        The data set; its pixels are decoded when asked for.

    Raises:
        DatasetError: A file is missing, a split is unknown, or a case lies in two.
    """
    rows = _read_split_table(root)
    train, val, test = (_read_split(root, rows, split) for split in SPLITS)
    check_names((*train, *val, *test))
    check_cases({"train": train, "val": val, "test": test})
    return Dataset(INFO, train, val, test)


def _read_split_table(root: Path) -> list[dict[str, str]]:
    table = root / "split.csv"
    if not table.is_file():
        raise DatasetError(
            f"data set '{root}': no split.csv; --root must be the folder of EBHI-Seg with"
            f" train, val, test and split.csv (images: {SOURCE})"
        )
    rows = read_table(table, ("split", "name", "case"), REMEDY)
    for row in rows:
        if row["split"] not in SPLITS:
            raise DatasetError(
                f"table '{table}': split '{row['split']}' of '{row['name']}' is unknown; use one of"
                f" {', '.join(SPLITS)}"
            )
    return rows


def _read_split(root: Path, rows: list[dict[str, str]], split: str) -> tuple[Example, ...]:
    chosen = [row for row in rows if row["split"] == split]
    if not chosen:
        raise DatasetError(f"data set '{root}': split.csv names no image of the split '{split}'")
    pairs = [_pair(root / split, row["name"]) for row in chosen]
    check_files(root, [path for pair in pairs for path in pair], REMEDY)
    return tuple(
        Example(row["name"], row["case"], partial(_read_pixels, *pair))
        for row, pair in zip(chosen, pairs, strict=True)
    )


def _pair(folder: Path, name: str) -> tuple[Path, Path]:
    """Return the files of an image and its mask; where they are missing, as published."""
    image, mask = (
        find_by_stem(folder / kind, name, (suffix,)) or folder / kind / f"{name}{suffix}"
        for kind, suffix in (("images", ".jpg"), ("masks", ".png"))
    )
    return image, mask


def _read_pixels(image_path: Path, mask_path: Path) -> LabelledImage:
    image, label = _READER.read(image_path, mask_path)
    if label.shape != (SIDE_PX, SIDE_PX):
        height, width = label.shape
        raise DatasetError(
            f"file '{image_path}': {width} × {height} px, but EBHI-Seg is {SIDE_PX} × {SIDE_PX} px;"
            f" {REMEDY}"
        )
    return LabelledImage(_without_frame(image), _ignore_frame(label))


def _without_frame(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Replace the frame by its inner neighbours, so that no network learns from it."""
    inner = image[FRAME_PX:-FRAME_PX, FRAME_PX:-FRAME_PX]
    return np.pad(inner, ((FRAME_PX, FRAME_PX), (FRAME_PX, FRAME_PX), (0, 0)), mode="edge")


def _ignore_frame(label: NDArray[np.uint8]) -> NDArray[np.uint8]:
    inner = label[FRAME_PX:-FRAME_PX, FRAME_PX:-FRAME_PX]
    return np.pad(inner, FRAME_PX, constant_values=IGNORE_INDEX)
