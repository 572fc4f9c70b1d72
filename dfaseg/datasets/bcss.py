"""BCSS: 151 regions of breast cancer slides of TCGA, outlined by pathologists and students.

What is fact here comes from the authors' repository (``SOURCE``): its download script for names and
folders, ``meta/gtruth_codes.tsv`` for the codes, ``roiBounds.csv`` for which slides there are.
"""

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dfaseg.classmap import IGNORE_INDEX, ClassMap
from dfaseg.datasets.checks import check_cases, check_names, find_pictures
from dfaseg.datasets.dataset import Dataset, DatasetInfo, Example
from dfaseg.datasets.pictures import LOSSLESS_SUFFIXES, PICTURE_SUFFIXES, CodeTable, PairReader
from dfaseg.datasets.tiled_pairs import PlacedPair, tiled_example
from dfaseg.errors import DatasetError

logger = logging.getLogger(__name__)

SOURCE = "https://github.com/PathologyDataScience/BCSS"
MPP = 0.25

TEST_INSTITUTES = frozenset({"OL", "LL", "E2", "EW", "GM", "S3"})
"""Held out in the baseline of the data set's challenge and in nearly all work since."""
VAL_INSTITUTES = frozenset({"BH", "C8", "A8", "A1", "E9"})
"""As in https://github.com/kaiko-ai/eva; which institutes validate is nobody's standard."""
NUM_SLIDES: Mapping[str, int] = {"train": 76, "val": 30, "test": 45}

OUTSIDE = 0
"""Code outside the region that was annotated; regions are partly rotated within their picture."""
UNCLEAR = (7, 15)
"""Codes of "exclude" and "undetermined"."""
_NUM_CODES = 22
_TUMOUR, _STROMA, _INFLAMMATORY, _NECROSIS, _OTHER = range(5)
_MERGED = {
    1: _TUMOUR,  # tumor
    19: _TUMOUR,  # angioinvasion
    20: _TUMOUR,  # dcis
    2: _STROMA,  # stroma
    3: _INFLAMMATORY,  # lymphocytic_infiltrate
    10: _INFLAMMATORY,  # plasma_cells
    11: _INFLAMMATORY,  # other_immune_infiltrate
    4: _NECROSIS,  # necrosis_or_debris
}
"""Class of each code that is not "other"."""

# After the palette of Okabe & Ito, which colour-blind people can tell apart.
_CLASSES = (
    ("Tumor", "#d55e00"),
    ("Stroma", "#56b4e9"),
    ("Inflammatory", "#009e73"),
    ("Necrosis", "#f0e442"),
    ("Other", "#999999"),
)

INFO = DatasetInfo(
    name="BCSS",
    class_map=ClassMap.from_records(
        [{"index": i, "name": name, "colour": hue} for i, (name, hue) in enumerate(_CLASSES)]
    ),
    mpp=MPP,
    mpp_note="stated in the name of each file; the authors' download resamples the slides to it",
    source=SOURCE,
    licence="CC0 1.0",
    attribution="Amgad et al., Bioinformatics 2019, doi:10.1093/bioinformatics/btz083",
    glass_index=None,
    weights_licence="no conditions from the data (CC0 1.0)",
    intended_use="Research on H&E-stained invasive breast cancer, mostly triple negative.",
    limits=(
        "Not for diagnosis. Trained on fields of tissue at 0.25 µm/px: empty glass was hardly seen,"
        " so tissue should be found first. 'Other' is what is left: blood, fat, normal ducts,"
        " mucus, nerves, vessels and what could not be told."
    ),
    patch_px=1024,
)

_REMEDY = f"download the data again from {SOURCE}"
_IMAGE_FOLDERS = ("images", "rgbs", "rgbs_colorNormalized", "img")
"""In the order in which they are looked for; the last is where SAM-Path keeps its tiles."""
_MASK_FOLDERS = ("masks", "mask")
_NAME = re.compile(
    r"(?P<roi>(?P<case>TCGA-(?P<institute>\w\w)-\w{4})-DX\d+_xmin\d+_ymin\d+_"
    r"(?P<resolution>(?:MPP|MAG)-[\d.]+)?)(?:_(?P<y>\d+)_(?P<x>\d+))?"
)


@dataclass(frozen=True, slots=True)
class _Picture:
    """What the name of a picture says.

    Attributes:
        roi: Name of the region.
        case: Patient; each has one slide.
        split: Where the patient's institute puts it.
        x: Left edge of a tile within its region, 0 where the region is one picture.
        y: Top edge.
    """

    roi: str
    case: str
    split: str
    x: int
    y: int


def read_bcss(root: Path, *, unclear: Literal["other", "ignore"] = "other") -> Dataset:
    """Read BCSS as downloaded, split by institute.

    Masks lie in ``masks``, images of the same name in ``images``, ``rgbs`` or
    ``rgbs_colorNormalized`` (the first that is there); folders that a browser numbered when it
    downloaded them in parts, such as ``masks (2)``, belong to those they were cut from. All may lie
    in one folder within ``root``. Tiles as SAM-Path cuts them (``_{row}_{column}`` of their
    upper left corner at the end of the name) are put together again.

    Args:
        root: Folder of the data set.
        unclear: What becomes of the codes "exclude" and "undetermined". They are "other", the class
            of what remains, in the merging that most published scores rest on.

    Raises:
        DatasetError: The folder is not BCSS at 0.25 µm/px, a mask or an image is missing, or a
            split is empty.
    """
    images, masks = _find_pairs(_data_folder(root))
    reader = PairReader(_code_table(unclear), _REMEDY)
    splits: dict[str, list[Example]] = {split: [] for split in NUM_SLIDES}
    for pieces in _group_by_roi(masks).values():
        splits[pieces[0][0].split].append(_make_example(reader, pieces, images, masks))
    _check_splits(root, splits)
    return Dataset(INFO, *(tuple(examples) for examples in splits.values()))


def _code_table(unclear: Literal["other", "ignore"]) -> CodeTable:
    indices = {code: _MERGED.get(code, _OTHER) for code in range(_NUM_CODES)}
    indices[OUTSIDE] = IGNORE_INDEX
    if unclear == "ignore":
        indices |= dict.fromkeys(UNCLEAR, IGNORE_INDEX)
    return CodeTable(indices)


def _data_folder(root: Path) -> Path:
    """Return the folder that holds the masks: the root, or the only folder within it that does."""
    candidates = [root, *sorted(path for path in root.glob("*") if path.is_dir())]
    for folder in candidates:
        if _parts(folder, _MASK_FOLDERS) and _parts(folder, _IMAGE_FOLDERS):
            return folder
    raise DatasetError(
        f"data set '{root}': no folder 'masks' beside 'images', 'rgbs' or 'rgbs_colorNormalized';"
        f" --root must be the folder of BCSS at 0.25 µm/px (download: {SOURCE})"
    )


def _parts(folder: Path, names: Iterable[str]) -> list[Path]:
    """Return the first of some folders that is there, with its parts (``masks (2)``)."""
    for name in names:
        pattern = re.compile(rf"{name}( \(\d+\))?")
        parts = [path for path in folder.glob(f"{name}*") if pattern.fullmatch(path.name)]
        if parts:
            return sorted(parts)
    return []


def _find_pairs(folder: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """Return images and masks by their names, which are the same."""
    images = _find_in_parts(_parts(folder, _IMAGE_FOLDERS), PICTURE_SUFFIXES)
    masks = _find_in_parts(_parts(folder, _MASK_FOLDERS), LOSSLESS_SUFFIXES)
    for have, lack, kind in ((masks, images, "image"), (images, masks, "mask")):
        alone = sorted(have.keys() - lack.keys())
        if alone:
            raise DatasetError(
                f"data set '{folder}': {len(alone)} of {len(have)} files have no {kind}, the first"
                f" is '{have[alone[0]].name}'; {_REMEDY}"
            )
    return images, masks


def _find_in_parts(parts: Iterable[Path], suffixes: frozenset[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for part in parts:
        # A browser that was interrupted downloads files of an earlier part again.
        found = find_pictures(part, suffixes) | found
    return dict(sorted(found.items()))


def _group_by_roi(masks: Mapping[str, Path]) -> dict[str, list[tuple[_Picture, str]]]:
    groups: dict[str, list[tuple[_Picture, str]]] = {}
    for name, path in masks.items():
        picture = _parse_name(name, path)
        groups.setdefault(picture.roi, []).append((picture, name))
    return groups


def _parse_name(name: str, path: Path) -> _Picture:
    match = _NAME.fullmatch(name)
    if match is None:
        raise DatasetError(
            f"file '{path}': is not named like 'TCGA-A1-A0SK-DX1_xmin45749_ymin25055_MPP-0.2500';"
            " take it out, or give it the name it was published under"
        )
    _check_resolution(match["resolution"], path)
    x, y = (int(match[axis] or 0) for axis in ("x", "y"))
    return _Picture(match["roi"], match["case"], _split_of(match["institute"]), x, y)


def _check_resolution(resolution: str | None, path: Path) -> None:
    kind, _, value = (resolution or "MAG-0").partition("-")
    if kind != "MPP" or float(value) != MPP:
        raise DatasetError(
            f"file '{path}': its name does not say MPP-0.2500 but '{resolution or 'nothing'}';"
            f" set MPP = {MPP} in the configs.py of {SOURCE} and download it again"
        )


def _split_of(institute: str) -> str:
    if institute in TEST_INSTITUTES:
        return "test"
    return "val" if institute in VAL_INSTITUTES else "train"


def _make_example(
    reader: PairReader,
    pieces: list[tuple[_Picture, str]],
    images: Mapping[str, Path],
    masks: Mapping[str, Path],
) -> Example:
    picture, name = pieces[0]
    if len(pieces) == 1 and name == picture.roi:
        return reader.example(name, picture.case, images[name], masks[name])
    placed = [PlacedPair(one.x, one.y, images[tile], masks[tile]) for one, tile in pieces]
    return tiled_example(reader, picture.roi, picture.case, placed)


def _check_splits(root: Path, splits: Mapping[str, list[Example]]) -> None:
    check_names(example for examples in splits.values() for example in examples)
    check_cases(splits)
    found = {split: len({one.case for one in examples}) for split, examples in splits.items()}
    for split, count in found.items():
        if count == 0:
            raise DatasetError(
                f"data set '{root}': no slide of the split '{split}', which the institutes decide;"
                f" download all of it from {SOURCE}"
            )
    if found != NUM_SLIDES:
        logger.warning(
            "data set '%s': %d of %d slides (%s); scores cannot be compared with others'",
            root,
            sum(found.values()),
            sum(NUM_SLIDES.values()),
            ", ".join(f"{split} {found[split]} of {NUM_SLIDES[split]}" for split in found),
        )
