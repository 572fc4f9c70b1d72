"""Truth that people drew, filled in a few rows at a time on the pixels of a prediction."""

import dataclasses
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation import rasterize, read_annotations
from dfaseg.classmap import IGNORE_INDEX
from dfaseg.errors import EvaluationError
from dfaseg.evaluation.align import Frame
from dfaseg.evaluation.class_names import ScoredClasses

logger = logging.getLogger(__name__)

DRAWING_SUFFIXES = frozenset({".geojson", ".json", ".xml", ".gz"})


@dataclass(frozen=True, slots=True)
class Drawing:
    """How polygons of a file are to be read.

    Attributes:
        background: Name of the class of what no polygon covers; None if that is not scored.
        origin: Where on the slide the polygons have (0, 0), (x, y) in level-0 px.
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


class DrawnTruth:
    """Polygons on a prediction's pixels; later ones lie over earlier ones.

    Attributes:
        frame: The prediction's.
    """

    def __init__(
        self, frame: Frame, shapes: list[tuple[int, list[NDArray[np.float64]]]], background: int
    ) -> None:
        self.frame = frame
        self._shapes = shapes
        self._background = background
        ends = [(rings[0][:, 1].min(), rings[0][:, 1].max()) for _, rings in shapes]
        self._tops, self._bottoms = np.array(ends, np.float64).reshape(-1, 2).T

    def read_rows(self, top: int, bottom: int) -> NDArray[np.uint8]:
        """Return class indices, shape ``(bottom - top, width)``; see ``MaskLabels``.

        A pixel has the class of its centre.
        """
        touched = np.flatnonzero((self._tops < bottom) & (self._bottoms > top))
        shift = np.array([0, top], np.float64)
        shapes = (
            (index, [ring - shift for ring in rings])
            for index, rings in (self._shapes[number] for number in touched)
        )
        return rasterize(shapes, self.frame.width, bottom - top, background=self._background)


def is_drawing_path(path: Path) -> bool:
    """Tell by its ending whether a file can hold polygons."""
    return path.suffix.lower() in DRAWING_SUFFIXES


def read_drawn_truth(
    path: Path, prediction: Frame, scored: ScoredClasses, drawing: Drawing
) -> DrawnTruth:
    """Read polygons and place them on the pixels of a prediction.

    Raises:
        AnnotationError: The file cannot be read.
        EvaluationError: A class is unknown, nothing is drawn, or nothing on this slide.
    """
    frame = drawing.frame_of(prediction, path)
    polygons = read_annotations(path).polygons
    if not polygons:
        raise EvaluationError(
            f"truth '{path}': nothing with an area is drawn; export the annotations again"
        )
    what = f"truth '{path}'"
    names = [polygon.class_name for polygon in polygons]
    indices = scored.find(what, names, is_truth=True)
    background = (
        IGNORE_INDEX if drawing.background is None
        else scored.find("--background", [drawing.background])[0]
    )  # fmt: skip
    scale = np.array(frame.level0_scale, np.float64)
    corner = np.array(frame.level0_corner, np.float64) - drawing.origin
    placed = [
        (index, [(ring - corner) / scale for ring in polygon.rings])
        for index, polygon in zip(indices, polygons, strict=True)
    ]
    _check_place(what, frame, placed)
    # What is not to be scored is not, whatever else is drawn there; the order is kept otherwise.
    placed.sort(key=lambda shape: shape[0] == IGNORE_INDEX)
    return DrawnTruth(frame, placed, background)


def _check_place(
    what: str, frame: Frame, placed: list[tuple[int, list[NDArray[np.float64]]]]
) -> None:
    size = np.array([frame.width, frame.height])
    num_inside = sum(
        bool((rings[0].max(axis=0) > 0).all() and (rings[0].min(axis=0) < size).all())
        for _, rings in placed
    )
    if num_inside == 0:
        raise EvaluationError(
            f"{what}: none of {len(placed)} polygons touches the prediction ({frame}); they belong"
            " to another slide or are not in pixels of its finest level"
        )
    if num_inside < len(placed):
        logger.warning(
            "%s: %d of %d polygons lie outside the prediction",
            what,
            len(placed) - num_inside,
            len(placed),
        )
