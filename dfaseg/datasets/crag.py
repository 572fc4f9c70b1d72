"""CRAG: glands in 213 images of colorectal adenocarcinoma, mostly 1512 × 1516 px.

Facts by the authors (Graham et al., MILD-Net, Medical Image Analysis 52, 2019; the README of
version 2 of the data): 173 training and 40 test images at 20×, one number per gland. The images
come from 38 slides, but which image comes from which slide is not published. Version 1 holds five
annotations of test images that do not exist.
"""

import logging
import re
from pathlib import Path

from dfaseg.classmap import ClassMap
from dfaseg.datasets.checks import check_files, check_names, find_pictures, warn_of_missing_images
from dfaseg.datasets.dataset import Dataset, DatasetInfo, Example
from dfaseg.datasets.pictures import LOSSLESS_SUFFIXES, PICTURE_SUFFIXES, CodeTable, PairReader
from dfaseg.errors import DatasetError

logger = logging.getLogger(__name__)

SOURCE = "https://warwick.ac.uk/fac/cross_fac/tia/data/mildnet/"
REMEDY = f"download the data again from {SOURCE}"
TEST_FOLDERS = ("valid", "test")
MASK_FOLDERS = ("Annotation", "Annotations")
NUM_IMAGES = {"train": 173, "test": 40}
VAL_BLOCK = 9
"""Images of neighbouring numbers that are held out together."""
VAL_EVERY = 5
"""One block in so many is held out."""

INFO = DatasetInfo(
    name="CRAG",
    class_map=ClassMap.from_records(
        [
            {"index": 0, "name": "Non-gland", "colour": "#d9d9d9"},
            {"index": 1, "name": "Gland", "colour": "#009e73"},
        ]
    ),
    mpp=0.55,
    mpp_note=(
        "the authors state 20×; 0.55 µm per pixel is twice the 0.275 of the scanner's (Omnyx"
        " VL120) 40×"
    ),
    source=SOURCE,
    licence="none stated; published for research, cite Graham et al. 2019",
    attribution="Graham et al., MILD-Net, Medical Image Analysis 52, 2019",
    glass_index=0,
    weights_licence="not to be passed on: the authors state no licence for the data",
    intended_use="Research on glands in H&E-stained colorectal adenocarcinoma.",
    limits=(
        "Not for diagnosis. One hospital and one scanner. Which images come from the same of the 38"
        " slides is not published: training, validation and test images may share slides, so that"
        " scores are better than on new patients, and confidence intervals by image too narrow."
    ),
    patch_px=512,
)

_READER = PairReader(CodeTable({0: 0}, others=1), REMEDY)


def read_crag(root: Path) -> Dataset:
    """Read CRAG with its official test images.

    No patients are published. Validation images are blocks of neighbouring numbers, spread over
    the training images: if images were numbered slide by slide, as is usual, few slides lie on
    both sides; if they were not, nothing is lost.

    Args:
        root: Folder with ``train`` and ``valid`` or ``test`` (the name differs between versions),
            each with ``Images`` and ``Annotation`` or ``Annotations``; or the folder above it.

    Returns:
        The data set; every image is a case of its own.

    Raises:
        DatasetError: The folder is not CRAG, or not all of it.
    """
    root = _find_root(root)
    training = _read_folder(root, root / "train")
    test = _read_folder(root, _test_folder(root))
    val = tuple(example for example in training if _is_held_out(_number(example.name)))
    train = tuple(example for example in training if not _is_held_out(_number(example.name)))
    if not train or not val:
        raise DatasetError(
            f"data set '{root}': {len(training)} training images are too few to hold some out for"
            f" validation; {REMEDY}"
        )
    check_names((*training, *test))
    warn_of_missing_images(INFO.name, {"train": len(training), "test": len(test)}, NUM_IMAGES)
    return Dataset(INFO, train, val, test)


def _find_root(root: Path) -> Path:
    for folder in (root, root / "CRAG", root / "CRAG_v2" / "CRAG"):
        if (folder / "train" / "Images").is_dir():
            return folder
    raise DatasetError(
        f"data set '{root}': no folder train/Images; --root must be the folder of CRAG with train"
        f" and test ({SOURCE})"
    )


def _test_folder(root: Path) -> Path:
    found = [root / name for name in TEST_FOLDERS if (root / name / "Images").is_dir()]
    if len(found) != 1:
        problem = "neither" if not found else "both"
        raise DatasetError(
            f"data set '{root}': has {problem} of valid/Images and test/Images, but CRAG has one of"
            f" them, its 40 test images; {REMEDY}"
        )
    return found[0]


def _read_folder(root: Path, folder: Path) -> tuple[Example, ...]:
    images = find_pictures(folder / "Images", PICTURE_SUFFIXES)
    if not images:
        raise DatasetError(f"data set '{root}': no image in '{folder / 'Images'}'; {REMEDY}")
    mask_folder = _mask_folder(folder)
    masks = find_pictures(mask_folder, LOSSLESS_SUFFIXES)
    pairs = {
        name: (image, masks.get(name, mask_folder / f"{name}.png"))
        for name, image in images.items()
    }
    check_files(root, [path for pair in pairs.values() for path in pair], REMEDY)
    if len(masks) > len(images):
        surplus = len(masks) - len(images)
        logger.warning("CRAG: %d masks in '%s' have no image", surplus, mask_folder)
    return tuple(_READER.example(name, name, *pairs[name]) for name in sorted(pairs, key=_number))


def _mask_folder(folder: Path) -> Path:
    found = [folder / name for name in MASK_FOLDERS if (folder / name).is_dir()]
    return found[0] if found else folder / MASK_FOLDERS[0]


def _number(name: str) -> int:
    """Return the number at the end of a name, from 1, e.g. 17 of ``train_17``."""
    match = re.search(r"(\d+)$", name)
    if match is None:
        raise DatasetError(f"image '{name}': CRAG's images end in a number; {REMEDY}")
    return int(match[1])


def _is_held_out(number: int) -> bool:
    return (number - 1) // VAL_BLOCK % VAL_EVERY == VAL_EVERY - 1
