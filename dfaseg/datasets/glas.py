"""GlaS (Warwick-QU): glands in 165 colorectal images of 16 patients.

Facts by the organisers, https://glas.grand-challenge.org/Dataset (20×, 0.62005 µm per pixel, one
label per gland, research purposes only), and by ``Grade.csv``, which comes with the images and
names each image's patient and grade.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from dfaseg.classmap import ClassMap
from dfaseg.datasets.checks import (
    check_cases,
    check_files,
    check_names,
    find_by_stem,
    warn_of_missing_images,
)
from dfaseg.datasets.dataset import Dataset, DatasetInfo
from dfaseg.datasets.holdout import hold_out
from dfaseg.datasets.pictures import LOSSLESS_SUFFIXES, PICTURE_SUFFIXES, CodeTable, PairReader
from dfaseg.datasets.tables import read_table
from dfaseg.errors import DatasetError

SOURCE = "https://glas.grand-challenge.org/Dataset"
REMEDY = f"download the data again from {SOURCE}"
RELEASE_FOLDER = "Warwick QU Dataset (Released 2016_07_08)"
TABLE_FILE = "Grade.csv"
NUM_IMAGES = {"train": 85, "testA": 60, "testB": 20}
VAL_SHARE = 0.2

INFO = DatasetInfo(
    name="GlaS",
    class_map=ClassMap.from_records(
        [
            {"index": 0, "name": "Background", "colour": "#d9d9d9"},
            {"index": 1, "name": "Gland", "colour": "#009e73"},
        ]
    ),
    mpp=0.62,
    mpp_note="stated by the organisers: 20×, 0.62005 µm per pixel (Zeiss MIRAX MIDI)",
    source=SOURCE,
    licence="research only, no commercial use; cite Sirinukunwattana et al. 2017",
    attribution="Sirinukunwattana et al., GlaS challenge contest, Medical Image Analysis 35, 2017",
    glass_index=0,
    weights_licence="not to be passed on: the data are for research only",
    intended_use="Research on glands in H&E-stained colorectal tissue.",
    limits=(
        "Not for diagnosis, not for commercial use. One hospital and one scanner. The official"
        " split shares patients between training and test images, so that its test scores are"
        " better than on new patients; training and validation images share none."
    ),
    patch_px=384,
)

_READER = PairReader(CodeTable({0: 0}, others=1), REMEDY)
_COLUMNS = {"name": "name", "patient": "patient id", "grade": "grade (glas)"}


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of ``Grade.csv``: image, patient, and benign or malignant."""

    name: str
    patient: str
    grade: str

    @property
    def part(self) -> str:
        """The official part: train, testA or testB."""
        return self.name.partition("_")[0]


def read_glas(root: Path) -> Dataset:
    """Read GlaS with the organisers' test images, and validation images of other patients.

    Args:
        root: Folder with ``Grade.csv`` and the images ``train_1.bmp`` with masks
            ``train_1_anno.bmp``, beside it as published or in folders ``train``, ``testA``,
            ``testB``, with or without ``images`` and ``masks`` in them.

    Returns:
        The data set: cases are patients; about a fifth of the training images, stratified by
        grade, is the validation split; testA and, if there, testB are the test split.

    Raises:
        DatasetError: The folder is not GlaS, or not all of it.
    """
    root = _find_root(root)
    rows = _read_grades(root / TABLE_FILE)
    pairs = {row.name: _find_pair(root, row) for row in rows}
    rows = _without_absent_part(rows, pairs, "testB")
    warn_of_missing_images(INFO.name, Counter(row.part for row in rows), NUM_IMAGES)
    check_files(root, [path for row in rows for path in pairs[row.name]], REMEDY)
    examples = {row: _READER.example(row.name, row.patient, *pairs[row.name]) for row in rows}
    training = [row for row in rows if row.part == "train"]
    held_out = hold_out(((row.patient, row.grade) for row in training), VAL_SHARE)
    train = tuple(examples[row] for row in training if row.patient not in held_out)
    val = tuple(examples[row] for row in training if row.patient in held_out)
    test = tuple(examples[row] for row in rows if row.part != "train")
    check_names((*train, *val, *test))
    check_cases({"train": train, "val": val})
    return Dataset(INFO, train, val, test)


def _find_root(root: Path) -> Path:
    for folder in (root, root / RELEASE_FOLDER):
        if (folder / TABLE_FILE).is_file():
            return folder
    raise DatasetError(
        f"data set '{root}': no {TABLE_FILE}; --root must be the folder of GlaS with {TABLE_FILE}"
        f" and the images ({SOURCE})"
    )


def _read_grades(table: Path) -> list[_Row]:
    rows = [
        _Row(**{field: line[column] for field, column in _COLUMNS.items()})
        for line in read_table(table, tuple(_COLUMNS.values()), REMEDY)
    ]
    _check_parts(table, rows)
    return rows


def _check_parts(table: Path, rows: Iterable[_Row]) -> None:
    parts = {row.part for row in rows}
    if not {"train", "testA"} <= parts <= {"train", "testA", "testB"}:
        raise DatasetError(
            f"table '{table}': names images of the parts {', '.join(sorted(parts)) or 'none'}, but"
            f" GlaS has train, testA and testB; {REMEDY}"
        )


def _find_pair(root: Path, row: _Row) -> tuple[Path, Path]:
    """Return the files of an image and its mask; where they are missing, as published."""
    image = _find(root, row.part, "images", row.name, PICTURE_SUFFIXES)
    mask = _find(root, row.part, "masks", f"{row.name}_anno", LOSSLESS_SUFFIXES)
    return image, mask


def _find(root: Path, part: str, kind: str, stem: str, suffixes: Collection[str]) -> Path:
    for folder in (root, root / part, root / part / kind):
        path = find_by_stem(folder, stem, suffixes)
        if path is not None:
            return path
    return root / f"{stem}.bmp"


def _without_absent_part(
    rows: list[_Row], pairs: dict[str, tuple[Path, Path]], part: str
) -> list[_Row]:
    """Leave a part out of which there is no file at all: some copies lack testB."""
    files = [path for row in rows if row.part == part for path in pairs[row.name]]
    if any(path.is_file() for path in files):
        return rows
    return [row for row in rows if row.part != part]
