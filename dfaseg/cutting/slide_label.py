"""The label of a slide that is cut: what is drawn or painted, on the pixels of its patches."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation import (
    Annotations,
    ClassRules,
    DrawnLabels,
    LabelFrame,
    check_place,
    check_slide,
)
from dfaseg.classmap import IGNORE_INDEX
from dfaseg.cutting.labelling import Labelling, is_picture
from dfaseg.cutting.patch_writer import PartedLabel
from dfaseg.datasets.slide_labels import SlideLabel, frame_of
from dfaseg.errors import AnnotationError
from dfaseg.evaluation.stored_labels import open_stored_labels
from dfaseg.geometry import Rect, TileGrid
from dfaseg.slide.slide import SlideInfo
from dfaseg.tiler.plan import ReadPlan

_QUPATH_FORM = "GeoJSON"


@dataclass(frozen=True, slots=True, eq=False)
class CutLabel:
    """What is labelled on a slide.

    Attributes:
        rules: What names and codes mean.
        label: The label on the pixels of the patches.
        boxes: Left, top, right and bottom of all that can be labelled, in patch pixels of the whole
            slide, ``(n, 4)``; None where that may be anything.
        on: Gives the label on the pixels of another plan.
    """

    rules: ClassRules
    label: PartedLabel
    boxes: NDArray[np.float64] | None
    on: Callable[[ReadPlan], SlideLabel]

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.rules.class_map)

    def over(self, plan: ReadPlan) -> NDArray[np.uint8]:
        """Return the label of the whole slide on the pixels of a coarse plan, ``(h, w)``."""
        return self.on(plan).read_rect(Rect(0, 0, plan.width, plan.height))

    def touched_tiles(self, grid: TileGrid) -> NDArray[np.bool_]:
        """Tell which tiles may hold labels, shape ``(grid.num_rows, grid.num_cols)``."""
        if self.boxes is None:
            return np.ones((grid.num_rows, grid.num_cols), bool)
        left, top, right, bottom = self.boxes.T
        cols = _touching(left, right, grid.num_cols, grid)
        rows = _touching(top, bottom, grid.num_rows, grid)
        # Each box adds one at its first tile and takes it back behind its last one.
        steps = np.zeros((grid.num_rows + 1, grid.num_cols + 1), np.int64)
        for row, row_sign in zip(rows, (1, -1), strict=True):
            for col, col_sign in zip(cols, (1, -1), strict=True):
                np.add.at(steps, (row, col), row_sign * col_sign)
        touched: NDArray[np.bool_] = steps.cumsum(axis=0).cumsum(axis=1)[:-1, :-1] > 0
        return touched


def read_cut_label(
    labelling: Labelling,
    slide_id: str,
    info: SlideInfo,
    plan: ReadPlan,
    origin: tuple[int, int],
) -> CutLabel:
    """Read the annotations of a slide.

    Args:
        labelling: Annotations of all slides, and what names and codes mean.
        slide_id: The slide's name in the results.
        info: Facts about it.
        plan: How it is read.
        origin: Where GeoJSON has (0, 0), in level-0 px, unless the file says so itself.

    Raises:
        AnnotationError: The file cannot be read, belongs to another slide or has unknown names.
        DatasetError: A picture cannot be read or has unknown codes.
    """
    path, rules = labelling.files[slide_id], labelling.rules
    if is_picture(path):
        return _painted(path, info, rules, plan)
    what = f"annotations '{path}'"
    annotations = labelling.read(slide_id)
    if not annotations.polygons:
        raise AnnotationError(f"{what}: nothing with an area is drawn; export it again")
    stated = annotations.slide_name
    known_as = stated if stated and stated in info.names else slide_id
    check_slide(what, annotations, known_as, info.mpp)
    rules.check_names(what, annotations.polygons.count_names())
    corner = (0, 0)
    if annotations.format_name == _QUPATH_FORM and annotations.origin is None:
        corner = origin

    def label_on(plan: ReadPlan) -> DrawnLabels:
        return DrawnLabels(annotations.polygons, rules, _shifted_frame(plan, corner))

    label = label_on(plan)
    level0 = info.levels[0]
    check_place(what, label, f"the slide ({level0.width} × {level0.height} px)")
    boxes = _boxes(annotations, rules, _shifted_frame(plan, corner))
    return CutLabel(rules, label, boxes, label_on)


def _painted(path: Path, info: SlideInfo, rules: ClassRules, plan: ReadPlan) -> CutLabel:
    label = open_stored_labels(path, info, rules, frame_of(plan))
    return CutLabel(rules, label, None, lambda plan: label.on(frame_of(plan)))


def _shifted_frame(plan: ReadPlan, corner: tuple[int, int]) -> LabelFrame:
    """Return the pixels of a plan in the frame of a file whose (0, 0) lies elsewhere."""
    return LabelFrame(
        plan.width, plan.height, plan.downsample_x, plan.downsample_y, -corner[0], -corner[1]
    )


def _boxes(
    annotations: Annotations, rules: ClassRules, frame: LabelFrame
) -> NDArray[np.float64] | None:
    """Return where anything can be labelled; None where the background is a class of its own."""
    table = annotations.polygons
    is_region = np.array([rules.is_region_of_interest(name) for name in table.names], bool)
    drawn_region = is_region[table.name_numbers]
    if drawn_region.any():
        wanted = drawn_region
    elif rules.background is not None and not rules.regions_of_interest:
        return None
    else:
        indices = np.array([rules.index_of(name) for name in table.names])
        wanted = indices[table.name_numbers] != IGNORE_INDEX
    corners = table.boxes()[wanted].reshape(-1, 2)
    return frame.place(corners).reshape(-1, 4)


def _touching(
    low: NDArray[np.float64], high: NDArray[np.float64], count: int, grid: TileGrid
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First tile of an axis that touches each span, and one past the last."""
    first = np.floor((low - grid.patch_px) / grid.stride_px).astype(np.int64) + 1
    end = np.ceil(high / grid.stride_px).astype(np.int64)
    first = first.clip(0, count)
    return first, end.clip(first, count)
