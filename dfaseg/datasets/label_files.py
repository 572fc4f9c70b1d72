"""Masks and drawings of slides, read and checked against the slide they belong to."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation import AnnotatedPolygon, read_annotations
from dfaseg.classmap import IGNORE_INDEX, comparable_name
from dfaseg.datasets.pictures import CodeTable, read_codes
from dfaseg.datasets.slide_labels import DrawnLabel, PaintedLabel, SlideLabel
from dfaseg.datasets.slide_table import SlideEntry
from dfaseg.errors import AnnotationError, DatasetError
from dfaseg.slide import SlideInfo

logger = logging.getLogger(__name__)

_REMEDY = "save it again as an 8-bit grey PNG"


@dataclass(frozen=True, slots=True)
class LabelMeaning:
    """Which class a label file means.

    Attributes:
        codes: Class index of each code of a mask.
        names: Class index of each name in annotations, in lower case, with American spelling and
            single spaces.
        background: Class index where nothing is drawn.
    """

    codes: CodeTable
    names: Mapping[str, int]
    background: int


def read_label(entry: SlideEntry, info: SlideInfo, meaning: LabelMeaning) -> SlideLabel:
    """Read the mask or the annotations of a slide.

    Args:
        entry: The slide, and where its label lies.
        info: Facts about the slide.
        meaning: Which class is meant by a code or a name.

    Raises:
        DatasetError: The file cannot be read, names or codes are unknown, or it does not lie over
            the slide.
    """
    if entry.is_drawn:
        return _read_drawn(entry.label_path, info, meaning)
    try:
        return PaintedLabel(_read_painted(entry.label_path, meaning), info.levels[0])
    except ValueError as error:
        raise DatasetError(
            f"mask '{entry.label_path}': {error}; it must cover the whole slide '{entry.name}'"
        ) from error


def _read_painted(path: Path, meaning: LabelMeaning) -> NDArray[np.uint8]:
    """Return class indices; rows are translated a few at a time, as a mask may fill the memory."""
    codes = read_codes(path, _REMEDY)
    label = codes if codes.dtype == np.uint8 else np.empty(codes.shape, np.uint8)
    for row in range(0, len(codes), 1024):
        label[row : row + 1024] = meaning.codes.to_label(codes[row : row + 1024], path)
    return label


def _read_drawn(path: Path, info: SlideInfo, meaning: LabelMeaning) -> DrawnLabel:
    drawn = _known_shapes(path, _read_polygons(path), meaning.names)
    if not drawn:
        raise DatasetError(f"annotations '{path}': nothing with an area is drawn; export it again")
    # What is excluded is ignored whatever else is drawn there; the order is kept otherwise.
    drawn.sort(key=lambda shape: shape[0] == IGNORE_INDEX)
    label = DrawnLabel(drawn, meaning.background)
    level0 = info.levels[0]
    inside = label.touching(np.zeros(2), np.array([level0.width, level0.height], np.float64))
    if not inside.any():
        raise DatasetError(
            f"annotations '{path}': none of {len(drawn)} polygons touches the slide"
            f" ({level0.width} × {level0.height} px); they belong to another slide or are not in"
            " pixels of its finest level"
        )
    if not inside.all():
        logger.warning(
            "annotations '%s': %d of %d polygons lie outside the slide",
            path,
            np.count_nonzero(~inside),
            len(drawn),
        )
    return label


def _read_polygons(path: Path) -> Iterable[AnnotatedPolygon]:
    try:
        return read_annotations(path).polygons
    except AnnotationError as error:
        raise DatasetError(str(error)) from error


def _known_shapes(
    path: Path, polygons: Iterable[AnnotatedPolygon], indices: Mapping[str, int]
) -> list[tuple[int, AnnotatedPolygon]]:
    named = [(comparable_name(polygon.class_name), polygon) for polygon in polygons]
    unknown = Counter(name for name, _ in named if name not in indices)
    if unknown:
        name, count = unknown.most_common(1)[0]
        raise DatasetError(
            f"annotations '{path}': class '{name}' of {count} polygons is unknown; the classes are"
            f" {', '.join(indices)}"
        )
    return [(indices[name], polygon) for name, polygon in named]
