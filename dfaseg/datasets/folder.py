"""A folder of the user's own: ``images``, ``masks`` and ``classes.toml``.

The format is written down in docs/reference/dataset-folder.md.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from dfaseg.datasets.checks import check_cases, check_files, check_names, find_pictures
from dfaseg.datasets.dataset import Dataset, DatasetInfo, Example
from dfaseg.datasets.folder_facts import read_folder_facts
from dfaseg.datasets.folder_table import SPLITS, FolderTable, read_folder_table
from dfaseg.datasets.holdout import hold_out
from dfaseg.datasets.pictures import LOSSLESS_SUFFIXES, PICTURE_SUFFIXES, PairReader
from dfaseg.errors import DatasetError
from dfaseg.wording import counted

logger = logging.getLogger(__name__)

CLASS_FILE = "classes.toml"
REMEDY = "replace the file"
HELD_OUT_SHARE = 0.15
"""Part of the images that each of validation and test get where nothing else is said."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """An image with its mask; ``split`` is the folder it lies in, or empty."""

    name: str
    image: Path
    mask: Path
    split: str


def read_folder(root: Path) -> Dataset:
    """Read a folder of images and masks.

    Splits are, in this order: the folders train, val and test; the column split of the table;
    a choice by case that is the same everywhere, 70, 15 and 15 per cent of the images.

    Args:
        root: Folder with ``classes.toml``, ``images`` and ``masks`` (or folders ``train``, ``val``
            and ``test`` with these two in each), and perhaps ``manifest.csv`` or ``splits.csv``.

    Raises:
        DatasetError: Files are missing, a case lies in two splits, or the table is impossible.
        ClassMapError: ``classes.toml`` says something impossible.
    """
    _check_root(root)
    facts = read_folder_facts(root / CLASS_FILE)
    table = read_folder_table(root)
    pairs = _find_pairs(root)
    _check_table(root, table, pairs)
    reader = PairReader(facts.table, REMEDY)
    examples = {
        pair: reader.example(pair.name, table.case_of(pair.name), pair.image, pair.mask)
        for pair in pairs
    }
    check_names(examples.values())
    splits = _split(root, table, examples)
    check_cases(splits)
    info = _with_known_cases(root, facts.info, table, examples.values())
    return Dataset(info, *(splits[split] for split in SPLITS))


def _check_root(root: Path) -> None:
    if not (root / CLASS_FILE).is_file():
        raise DatasetError(
            f"data set '{root}': no {CLASS_FILE}; a folder of your own needs images, masks and"
            f" {CLASS_FILE} (documentation: reference/dataset-folder.md)"
        )


def _find_pairs(root: Path) -> list[_Pair]:
    parted = [split for split in SPLITS if (root / split).is_dir()]
    if not parted:
        return _pairs_of(root, root, "")
    if len(parted) < len(SPLITS) and (root / "images").is_dir():
        raise DatasetError(
            f"data set '{root}': has the folders 'images' and '{parted[0]}'; put all images into"
            " train, val and test, or all into images and name the splits in manifest.csv"
        )
    return [pair for split in parted for pair in _pairs_of(root, root / split, split)]


def _pairs_of(root: Path, folder: Path, split: str) -> list[_Pair]:
    images = find_pictures(folder / "images", PICTURE_SUFFIXES)
    masks = find_pictures(folder / "masks", LOSSLESS_SUFFIXES)
    if not images:
        raise DatasetError(f"data set '{root}': no picture in '{folder / 'images'}'")
    pairs = [
        _Pair(name, image, masks.get(name, folder / "masks" / f"{name}.png"), split)
        for name, image in images.items()
    ]
    check_files(
        root,
        [pair.mask for pair in pairs],
        "every image needs a mask of the same name in a lossless format (PNG, TIFF or BMP)",
    )
    surplus = masks.keys() - images.keys()
    if surplus:
        logger.warning(
            "data set '%s': %d masks have no image, the first is '%s'",
            root,
            len(surplus),
            min(surplus),
        )
    return pairs


def _check_table(root: Path, table: FolderTable, pairs: Iterable[_Pair]) -> None:
    """Refuse a table that names other images than there are, or puts them elsewhere."""
    if table.path is None:
        return
    found = {pair.name: pair for pair in pairs}
    for names, problem in (
        (table.entries.keys() - found.keys(), "names images that are not there"),
        (found.keys() - table.entries.keys(), "does not name all images"),
    ):
        if names:
            raise DatasetError(
                f"table '{table.path}': {problem} ({len(names)}, the first is '{min(names)}')"
            )
    for name, entry in table.entries.items():
        if found[name].split and entry.split not in {"", found[name].split}:
            raise DatasetError(
                f"table '{table.path}': puts '{name}' into the split {entry.split}, but it lies in"
                f" '{root / found[name].split}'"
            )


def _split(
    root: Path, table: FolderTable, examples: dict[_Pair, Example]
) -> dict[str, tuple[Example, ...]]:
    chosen = {pair: pair.split or table.split_of(pair.name) for pair in examples}
    if not all(chosen.values()):
        by_case = _choose_splits(root, [example.case for example in examples.values()])
        chosen = {pair: by_case[example.case] for pair, example in examples.items()}
    return {
        split: tuple(example for pair, example in examples.items() if chosen[pair] == split)
        for split in SPLITS
    }


def _choose_splits(root: Path, cases: list[str]) -> dict[str, str]:
    """Return the split of each case; ``cases`` holds one entry per image."""
    if len(set(cases)) < len(SPLITS):
        known = counted(len(set(cases)), "case")
        raise DatasetError(
            f"data set '{root}': {known}, but at least 3 are needed to hold some out for validation"
            " and test; add cases, or name the splits in manifest.csv"
        )
    test = hold_out(((case, "") for case in cases), HELD_OUT_SHARE)
    rest = [(case, "") for case in cases if case not in test]
    val = hold_out(rest, HELD_OUT_SHARE / (1 - HELD_OUT_SHARE))
    return {case: "test" if case in test else "val" if case in val else "train" for case in cases}


def _with_known_cases(
    root: Path, info: DatasetInfo, table: FolderTable, examples: Iterable[Example]
) -> DatasetInfo:
    """Say so where every image counts as a patient of its own because none are stated."""
    if table.has_cases or any(example.case != example.name for example in examples):
        return info
    logger.warning(
        "data set '%s': no cases are known, so that every image counts as one; if several images"
        " are of one patient or slide, state it in the column case of manifest.csv",
        root,
    )
    note = " Patients are not known: images of one patient may lie in several splits."
    return replace(info, limits=info.limits + note)
