"""Truth that people drew, placed on the pixels of a prediction."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from dfaseg.annotation import (
    ANNOTATION_SUFFIXES,
    ClassRules,
    DrawnLabels,
    LabelFrame,
    check_place,
    check_slide,
    read_annotations,
)
from dfaseg.classmap import IGNORE_INDEX
from dfaseg.errors import EvaluationError
from dfaseg.evaluation.align import Frame
from dfaseg.evaluation.class_names import ScoredClasses
from dfaseg.evaluation.mask_files import MaskFile


@dataclass(frozen=True, slots=True)
class Drawing:
    """How polygons of a file are to be read.

    Attributes:
        background: Name of the class of what no polygon covers; None if that is not scored.
        origin: Where on the slide the polygons have (0, 0), (x, y) in level-0 px, unless their file
            says so itself.
        level0_scale: Level-0 px per px of a prediction that does not say so itself.
    """

    background: str | None = None
    origin: tuple[float, float] = (0.0, 0.0)
    level0_scale: float | None = None

    def frame_of(self, prediction: Frame, path: Path) -> Frame:
        """Return the prediction's frame with its scale to level 0.

        Raises:
            EvaluationError: The scale is unknown.
        """
        if prediction.level0_scale is not None:
            return prediction
        if self.level0_scale is None:
            raise EvaluationError(
                f"truth '{path}': is drawn in pixels of the slide's finest level, and the"
                f" prediction of {prediction} does not say how many of them one of its pixels"
                " spans; pass --level0-scale, e.g. 1 if it has the slide's own pixels"
            )
        scale = (self.level0_scale, self.level0_scale)
        return dataclasses.replace(prediction, level0_scale=scale)


@dataclass(frozen=True, slots=True, eq=False)
class DrawnTruth:
    """Polygons on a prediction's pixels.

    Attributes:
        labels: Read a few rows at a time.
        frame: The prediction's.
    """

    labels: DrawnLabels
    frame: Frame


def is_drawing_path(path: Path) -> bool:
    """Tell by its ending whether a file can hold polygons."""
    return path.suffix.lower() in ANNOTATION_SUFFIXES


def drawn_names(path: Path) -> tuple[str, ...]:
    """Return the class names of a file of polygons.

    Raises:
        AnnotationError: The file cannot be read.
    """
    return tuple(read_annotations(path).polygons.names)


def read_drawn_truth(
    path: Path, prediction: MaskFile, scored: ScoredClasses, drawing: Drawing
) -> DrawnTruth:
    """Read polygons and place them on the pixels of a prediction.

    Raises:
        AnnotationError: The file cannot be read, or is of another slide.
        EvaluationError: A class is unknown, or nothing is drawn.
    """
    frame = drawing.frame_of(prediction.frame, path)
    annotations = read_annotations(path)
    if not annotations.polygons:
        raise EvaluationError(
            f"truth '{path}': nothing with an area is drawn; export the annotations again"
        )
    what = f"truth '{path}'"
    if prediction.slide_id is not None:
        check_slide(what, annotations, prediction.slide_id)
    rules = _rules(scored, drawing)
    names = annotations.polygons.names
    drawn = [name for name in names if not rules.is_region_of_interest(name)]
    scored.find(what, drawn, is_truth=True)
    origin = drawing.origin if annotations.origin is None else (0.0, 0.0)
    labels = DrawnLabels(annotations.polygons, rules, _label_frame(frame, origin))
    check_place(what, labels, f"the prediction ({frame})")
    return DrawnTruth(labels, frame)


def _rules(scored: ScoredClasses, drawing: Drawing) -> ClassRules:
    """Return what names in polygons mean; the option for the background wins over the class map."""
    given = scored.rules or ClassRules(scored.class_map, {})
    background = given.background
    if drawing.background is not None:
        (background,) = scored.find("--background", [drawing.background])
    elif background in scored.unscored:
        background = IGNORE_INDEX
    return dataclasses.replace(given, indices=scored.indices, background=background)


def _label_frame(frame: Frame, origin: tuple[float, float]) -> LabelFrame:
    assert frame.level0_scale is not None  # ``Drawing.frame_of`` has seen to it
    corner = [at - shift for at, shift in zip(frame.level0_corner, origin, strict=True)]
    return LabelFrame(frame.width, frame.height, *frame.level0_scale, *corner)
