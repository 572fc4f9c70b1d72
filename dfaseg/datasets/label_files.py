"""Masks and drawings of slides, read and checked against the slide they belong to."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation import (
    ClassRules,
    DrawnLabels,
    LabelFrame,
    check_place,
    check_slide,
    read_annotations,
)
from dfaseg.datasets.pictures import CodeTable, read_codes
from dfaseg.datasets.slide_labels import PaintedLabel, SlideLabel
from dfaseg.datasets.slide_table import SlideEntry
from dfaseg.errors import AnnotationError, DatasetError
from dfaseg.slide import SlideInfo

_REMEDY = "save it again as an 8-bit grey PNG"


def read_label(
    entry: SlideEntry, info: SlideInfo, rules: ClassRules, frame: LabelFrame
) -> SlideLabel:
    """Read the mask or the annotations of a slide.

    Args:
        entry: The slide, and where its label lies.
        info: Facts about the slide.
        rules: Which class is meant by a code or a name.
        frame: Pixels in which the label is read.

    Raises:
        DatasetError: The file cannot be read, names or codes are unknown, or it does not lie over
            the slide.
    """
    if entry.is_drawn:
        try:
            return _read_drawn(entry.label_path, info, rules, frame)
        except AnnotationError as error:
            raise DatasetError(str(error)) from error
    label = read_painted(entry.label_path, CodeTable(rules.codes))
    try:
        return PaintedLabel(label, info.levels[0], frame)
    except ValueError as error:
        raise DatasetError(
            f"mask '{entry.label_path}': {error}; it must cover the whole slide '{entry.name}'"
        ) from error


def read_painted(path: Path, table: CodeTable) -> NDArray[np.uint8]:
    """Return the class indices of a picture; its rows are translated a few at a time.

    Raises:
        DatasetError: The picture cannot be read or holds an unknown code.
    """
    # A second copy of a mask may be more than there is memory for.
    codes = read_codes(path, _REMEDY)
    label = codes if codes.dtype == np.uint8 else np.empty(codes.shape, np.uint8)
    for row in range(0, len(codes), 1024):
        label[row : row + 1024] = table.to_label(codes[row : row + 1024], path)
    return label


def _read_drawn(path: Path, info: SlideInfo, rules: ClassRules, frame: LabelFrame) -> DrawnLabels:
    what = f"annotations '{path}'"
    level0 = info.levels[0]
    annotations = read_annotations(path)
    if not annotations.polygons:
        raise AnnotationError(f"{what}: nothing with an area is drawn; export it again")
    check_slide(what, annotations, info.slide_id)
    rules.check_names(what, annotations.polygons.count_names(), "correct the names")
    label = DrawnLabels(annotations.polygons, rules, frame)
    check_place(what, label, f"the slide ({level0.width} × {level0.height} px)")
    return label
