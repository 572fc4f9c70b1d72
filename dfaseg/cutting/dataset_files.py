"""What makes a folder of image and mask pairs a data set: its classes and its manifest."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfaseg.classmap import ClassMap
from dfaseg.cutting.class_file import CLASS_FILE, write_class_file
from dfaseg.cutting.fitting import check_alike, check_groups, labelled_slides
from dfaseg.cutting.manifest import MANIFEST_FILE, drop_from_manifest, write_manifest
from dfaseg.cutting.ownership import looks_own
from dfaseg.cutting.pairs_file import Pair, read_pairs
from dfaseg.cutting.record import SlideRecord
from dfaseg.cutting.spec import LabelSpec, TileSpec
from dfaseg.cutting.splits import MIN_CASES, split_cases
from dfaseg.files import remove_file
from dfaseg.wording import counted

log = logging.getLogger(__name__)

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True, eq=False)
class DatasetSummary:
    """What a folder of pairs holds.

    Attributes:
        classes: The classes.
        splits: Names of the splits, or one empty text where nothing could be split.
        images: Number of images in each split.
        cases: Number of cases in each split.
        pixels: Pixels of each class in each split, ``(classes, splits)``.
    """

    classes: ClassMap
    splits: tuple[str, ...]
    images: tuple[int, ...]
    cases: tuple[int, ...]
    pixels: NDArray[np.int64]


def write_dataset(
    spec: TileSpec, labels: LabelSpec, slides: Sequence[SlideRecord]
) -> DatasetSummary:
    """Write ``classes.toml`` and ``manifest.csv`` for all slides of a folder.

    Args:
        spec: How the slides were cut.
        labels: How they are grouped and split.
        slides: All finished slides, those of earlier runs included.

    Raises:
        ConfigError: Slides have no patient though they are to be grouped by it, or they were cut
            with different classes or resolutions.
        OutputError: A file cannot be read or written.
    """
    slides = labelled_slides(slides)
    check_alike(slides)
    classes = ClassMap.from_records(slides[0].content["recipe"]["labels"]["classes"])
    pairs = [pair for slide in slides for pair in read_pairs(slide, len(classes))]
    cases = _cases(labels, slides, pairs)
    splits = split_cases(
        [(case, str(pair.main_class)) for case, pair in zip(cases, pairs, strict=True)],
        val_share=labels.val_share,
        test_share=labels.test_share,
        seed=labels.seed,
    )
    if not pairs:
        log.warning(
            "data set '%s': no tile holds a label, so that there is nothing to learn from; what is"
            " drawn is ignored, lies beside the tissue, or is smaller than a pixel",
            spec.out,
        )
    elif not splits:
        log.warning(
            "data set '%s': %s, but at least %d are needed to hold some out for validation"
            " and test; add slides, or pass --group-by tile to part the tiles of one slide",
            spec.out,
            counted(len(set(cases)), "case"),
            MIN_CASES,
        )
    chosen = [splits.get(case, "") for case in cases]
    facts = {
        **{"name": spec.out.absolute().name, "mpp": spec.mpp, "patch_px": spec.patch_px},
        "class": classes.to_records(),
    }
    write_class_file(spec.out / CLASS_FILE, facts, is_by_tile=labels.group_by == "tile")
    write_manifest(spec.out / MANIFEST_FILE, classes, zip(pairs, cases, chosen, strict=True))
    summary = _summarise(classes, pairs, cases, chosen)
    absent = [
        name for name, count in zip(classes.names, summary.pixels[:, 0], strict=True) if not count
    ]
    if pairs and absent:
        log.warning(
            "data set '%s': nothing to learn %s from; annotate more, leave the class out of the"
            " class map, or try another --seed",
            spec.out,
            ", ".join(f"'{name}'" for name in absent),
        )
    return summary


def withdraw_dataset(out: Path) -> None:
    """Take the files of a data set away whose slides are about to be replaced.

    If the run is stopped, or a slide fails, new images lie beside old ones: that is no data set.

    Args:
        out: Folder of all slides, whose files were found to be ours.

    Raises:
        OutputError: A file cannot be removed.
    """
    for name in (MANIFEST_FILE, CLASS_FILE):
        remove_file(out / name)


def drop_unlabelled(out: Path, slides: Sequence[SlideRecord]) -> None:
    """Take slides that are no longer labelled out of a data set; an empty one is no more.

    Files of others are left alone, and so are lines whose images are there: those are not of our
    slides.

    Args:
        out: Folder of all slides.
        slides: All finished slides.

    Raises:
        OutputError: A file cannot be read or written.
    """
    manifest, class_file = out / MANIFEST_FILE, out / CLASS_FILE
    if not looks_own(manifest):
        return
    labelled = {slide.slide_id for slide in labelled_slides(slides)}
    unlabelled = {slide.slide_id for slide in slides} - labelled
    gone, num_left = drop_from_manifest(
        manifest,
        lambda slide_id, name: slide_id in unlabelled and not (out / "images" / name).exists(),
    )
    if gone:
        log.warning(
            "data set '%s': '%s' is cut without annotations now and no part of it any more; cut"
            " the others with theirs to split them anew",
            out,
            "', '".join(sorted(gone)),
        )
    if num_left or labelled:
        return
    # In this order: a manifest that is left is found again.
    for path in (class_file, manifest):
        if looks_own(path):
            remove_file(path)


def _cases(labels: LabelSpec, slides: Sequence[SlideRecord], pairs: Sequence[Pair]) -> list[str]:
    """Return the case of each pair: what must not lie in two splits.

    Raises:
        ConfigError: Slides have no patient though they are to be grouped by it.
    """
    if labels.group_by == "tile":
        return [pair.name for pair in pairs]
    groups: Mapping[str, str | None] = {slide.slide_id: slide.group for slide in slides}
    check_groups(labels, groups)
    if labels.group_by == "slide":
        return [pair.slide_id for pair in pairs]
    return [groups[pair.slide_id] or pair.slide_id for pair in pairs]


def _summarise(
    classes: ClassMap, pairs: Sequence[Pair], cases: Sequence[str], chosen: Sequence[str]
) -> DatasetSummary:
    splits = SPLITS if any(chosen) else ("",)
    images, num_cases, pixels = [], [], np.zeros((len(classes), len(splits)), np.int64)
    for number, split in enumerate(splits):
        members = [index for index, one in enumerate(chosen) if one == split]
        images.append(len(members))
        num_cases.append(len({cases[index] for index in members}))
        for index in members:
            pixels[:, number] += pairs[index].class_pixels
    return DatasetSummary(classes, tuple(splits), tuple(images), tuple(num_cases), pixels)
