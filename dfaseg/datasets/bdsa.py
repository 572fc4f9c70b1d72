"""BDSA: brain slides of the Brain Digital Slide Archive with their tissue compartments.

The set is private, and no layout of it is published; this one is our own, and any collection of
slides with masks or drawings of these classes can be read the same way.
"""

import logging
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from dfaseg.annotation import ClassRules
from dfaseg.classmap import IGNORE_INDEX, ClassMap, comparable_name
from dfaseg.datasets.checks import check_cases, check_names
from dfaseg.datasets.dataset import Dataset, DatasetInfo, Example, LabelledImage
from dfaseg.datasets.label_files import read_label
from dfaseg.datasets.recent import Recent
from dfaseg.datasets.slide_labels import SlideLabel, frame_of
from dfaseg.datasets.slide_regions import MAX_REGION_PX, cut_regions, read_region
from dfaseg.datasets.slide_table import SlideEntry, find_slides
from dfaseg.errors import DatasetError, MissingResolutionError, SlideError
from dfaseg.geometry import Rect
from dfaseg.slide import Slide, SlideInfo, open_slide
from dfaseg.tiler.plan import ReadPlan, plan_reading
from dfaseg.tiler.unreadable import unreadable_words

logger = logging.getLogger(__name__)

MPP = 1.0
"""About 10x, at which the paper works."""
BACKGROUND = 0

# After the palette of Okabe & Ito, which colour-blind people can tell apart.
_CLASSES = (
    ("Background", "#d9d9d9"),
    ("Gray matter", "#56b4e9"),
    ("White matter", "#f0e442"),
    ("Leptomeninges", "#d55e00"),
    ("Superficial", "#009e73"),
)

INFO = DatasetInfo(
    name="BDSA",
    class_map=ClassMap.from_records(
        [{"index": i, "name": name, "colour": hue} for i, (name, hue) in enumerate(_CLASSES)]
    ),
    mpp=MPP,
    mpp_note="slides are resampled to it, each from the resolution that it states",
    source="not public (Brain Digital Slide Archive)",
    licence="private: what those who lend the slides allow",
    attribution="as those who lend the slides ask for",
    glass_index=BACKGROUND,
    weights_licence="what those who lend the slides allow",
    intended_use="Research on the compartments of brain tissue.",
    limits="Not for diagnosis. Stains, scanners and regions of the brain are those of the slides.",
    patch_px=1024,
)
_RULES = ClassRules(
    INFO.class_map,
    {comparable_name(entry.name): entry.index for entry in INFO.class_map}
    | {"exclude": IGNORE_INDEX},
    background=BACKGROUND,
    codes={0: 0, 31: 1, 63: 2, 95: 3, 127: 4, 191: IGNORE_INDEX, 255: IGNORE_INDEX},
)


@dataclass(frozen=True, slots=True)
class _OpenSlide:
    """A slide that is being read, with its label."""

    slide: Slide
    plan: ReadPlan
    label: SlideLabel


def read_bdsa(root: Path, *, mpp: float = MPP, region_px: int = MAX_REGION_PX) -> Dataset:
    """Read slides with masks or drawings, cut into regions and split by case.

    Slides (all that ``predict`` reads, plain pictures too) lie in ``slides``; what they show in
    ``masks`` (grey pictures that cover the slide at any downsample) or in ``annotations`` (of the
    Digital Slide Archive or GeoJSON), under the same name. Where nothing is drawn is background;
    later polygons lie over earlier ones, and "exclude" over all. ``splits.csv`` may give case,
    split and resolution of each slide; see ``find_slides``.

    Args:
        root: Folder of the data set.
        mpp: µm per pixel at which the slides are read.
        region_px: Longest side of a region at that resolution; what is read at a time.

    Raises:
        DatasetError: A slide cannot be opened or states no resolution, a slide or its label is
            missing, or a case lies in two splits.
    """
    entries = find_slides(root)
    opened = Recent(partial(_open_labelled, mpp=mpp), lambda one: one.slide.close())
    splits: dict[str, list[Example]] = {"train": [], "val": [], "test": []}
    for entry in entries:
        splits[entry.split].extend(_examples(entry, mpp, region_px, opened))
    check_names(example for examples in splits.values() for example in examples)
    check_cases(splits)
    return Dataset(replace(INFO, mpp=mpp), *(tuple(examples) for examples in splits.values()))


def _examples(
    entry: SlideEntry, mpp: float, region_px: int, opened: Recent[SlideEntry, _OpenSlide]
) -> list[Example]:
    slide = _open(entry)
    try:
        plan = plan_reading(slide.info, mpp)
        regions = cut_regions(slide.info.levels[plan.level], plan, region_px)
        _pass_warnings_on(slide.info, mpp)
    finally:
        slide.close()
    return [
        Example(
            _region_name(entry, plan, rect),
            entry.case,
            partial(_read_region, opened, entry, rect, is_last=rect == regions[-1]),
        )
        for rect in regions
    ]


def _region_name(entry: SlideEntry, plan: ReadPlan, rect: Rect) -> str:
    """Name a region by where it lies in level-0 px."""
    x, y = round(rect.x * plan.downsample_x), round(rect.y * plan.downsample_y)
    return f"{entry.name}_x{x}_y{y}"


def _read_region(
    opened: Recent[SlideEntry, _OpenSlide], entry: SlideEntry, rect: Rect, *, is_last: bool
) -> LabelledImage:
    with opened.using(entry, is_last=is_last) as one:
        label = one.label.read_rect(rect)
        try:
            image, unreadable = read_region(one.slide, one.plan, rect)
        except SlideError as error:
            raise DatasetError(str(error)) from error
    for part in unreadable:
        label[part.slices] = IGNORE_INDEX
    if unreadable:
        logger.warning(
            "slide '%s': %s; what is labelled there is ignored",
            entry.name,
            unreadable_words(len(unreadable)),
        )
    return LabelledImage(image, label)


def _open(entry: SlideEntry) -> Slide:
    try:
        return open_slide(entry.slide_path, mpp=entry.mpp)
    except MissingResolutionError as error:
        raise DatasetError(
            f"slide '{entry.name}': states no believable resolution; write its µm per pixel into a"
            f" column mpp of '{entry.table_path}'"
        ) from error
    except SlideError as error:
        raise DatasetError(str(error)) from error


def _open_labelled(entry: SlideEntry, *, mpp: float) -> _OpenSlide:
    slide = _open(entry)
    try:
        plan = plan_reading(slide.info, mpp)
        return _OpenSlide(slide, plan, read_label(entry, slide.info, _RULES, frame_of(plan)))
    except BaseException:
        slide.close()
        raise


def _pass_warnings_on(info: SlideInfo, mpp: float) -> None:
    for warning in info.warnings:
        logger.warning("slide '%s': %s", info.slide_id, warning)
    if info.mpp > mpp * 1.1:
        logger.warning(
            "slide '%s': its %g µm/px are coarser than the %g µm/px at which it is read",
            info.slide_id,
            info.mpp,
            mpp,
        )
