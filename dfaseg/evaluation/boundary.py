"""How far apart the outlines of truth and prediction lie, per class, in µm."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.errors import ConfigError
from dfaseg.evaluation.outline import Outline, OutlineTracer
from dfaseg.evaluation.records import FloatArray, ratio, to_floats, to_plain

MAX_OUTLINE_POINTS = 4_000_000
"""Corners on the outlines of truth and prediction together, up to which distances are measured.

They take up to 0.5 GB while they are. Outlines of tissue have a few thousand per 1000 x 1000 px.
"""

TOLERANCE_SLACK = 1 + 1e-9
"""A distance that equals the tolerance is within it, however µm and pixels were multiplied."""


@dataclass(frozen=True, slots=True)
class SurfaceScores:
    """Outlines of one image, one value per class: shape ``(k,)`` each.

    A class that ends under ignored pixels only, wherever the truth shows it, is not compared: all
    its values are NaN.

    Attributes:
        tolerance_um: Distance up to which two outlines count as the same.
        true_um: Length of the outline in the truth; 0 where the class has none.
        predicted_um: Length of the outline in the prediction.
        true_near_um: Part of the true outline within the tolerance of the predicted one.
        predicted_near_um: Part of the predicted outline within the tolerance of the true one.
        hausdorff95_um: Robust Hausdorff distance; NaN unless both outlines are there.
    """

    tolerance_um: float
    true_um: FloatArray
    predicted_um: FloatArray
    true_near_um: FloatArray
    predicted_near_um: FloatArray
    hausdorff95_um: FloatArray

    @property
    def is_compared(self) -> NDArray[np.bool_]:
        """Whether each class is; one without outlines is, too."""
        return np.isfinite(self.true_um)

    @property
    def surface_dice(self) -> FloatArray:
        """Normalised surface Dice; 0 where only one outline is there.

        NaN where none is, or the class is not compared.
        """
        near = self.true_near_um + self.predicted_near_um
        return ratio(near, self.true_um + self.predicted_um)

    def to_record(self) -> dict[str, Any]:
        """Return a plain table for JSON that ``from_record`` reads back."""
        arrays = {name: to_plain(getattr(self, name)) for name in _ARRAYS}
        return {"tolerance_um": self.tolerance_um} | arrays

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "SurfaceScores":
        """Read what ``to_record`` made."""
        return cls(float(record["tolerance_um"]), *(to_floats(record[name]) for name in _ARRAYS))

    def __post_init__(self) -> None:
        if len({getattr(self, name).shape for name in _ARRAYS}) != 1:
            raise ConfigError("surface scores: each needs one value per class")


_ARRAYS = ("true_um", "predicted_um", "true_near_um", "predicted_near_um", "hausdorff95_um")


class SurfaceMeter:
    """Measures the outlines of one image of any size, in strips of rows from top to bottom.

    Args:
        num_classes: Classes of truth and prediction.
        mpp: Sides of a pixel (µm), ``(x, y)``.
        tolerance_um: Distance up to which two outlines count as the same.

    Raises:
        ConfigError: The resolution is not positive or the tolerance negative.
    """

    def __init__(self, num_classes: int, *, mpp: tuple[float, float], tolerance_um: float) -> None:
        if not (all(side > 0 for side in mpp) and tolerance_um >= 0):
            raise ConfigError(
                f"outlines: {mpp[0]} × {mpp[1]} µm per px and a tolerance of {tolerance_um} µm; the"
                " first must be positive and the second not negative"
            )
        self._num_classes, self._mpp, self._tolerance_um = num_classes, mpp, tolerance_um
        self._true, self._predicted = OutlineTracer(), OutlineTracer()
        self._too_long = False

    def add(self, label: NDArray[np.uint8], mask: NDArray[np.uint8]) -> None:
        """Take the next rows of truth and prediction, ``(rows, width)`` each.

        Pixels that are 255 in one of them are left out of both.

        Raises:
            ConfigError: The shapes differ, or the width is not that of the rows before.
        """
        if label.shape != mask.shape or label.ndim != 2:
            raise ConfigError(f"label {label.shape} and mask {mask.shape}: shapes must be equal")
        if self._too_long or not label.size:
            return
        ignored = (label == IGNORE_INDEX) | (mask == IGNORE_INDEX)
        self._true.add(np.where(ignored, IGNORE_INDEX, label).astype(np.uint8))
        self._predicted.add(np.where(ignored, IGNORE_INDEX, mask).astype(np.uint8))
        if self._true.num_points + self._predicted.num_points > MAX_OUTLINE_POINTS:
            self._too_long = True
            self._true, self._predicted = OutlineTracer(), OutlineTracer()

    def finish(self) -> SurfaceScores | None:
        """Return the scores; None where the outlines were too long to be measured."""
        if self._too_long:
            return None
        # All is measured in widths of a pixel until the end.
        width_um, height_um = self._mpp
        aspect, tolerance = height_um / width_um, self._tolerance_um / width_um
        pairs = zip(
            self._true.outlines(self._num_classes, aspect),
            self._predicted.outlines(self._num_classes, aspect),
            strict=True,
        )
        columns = np.array([_compare(*pair, aspect, tolerance) for pair in pairs]).T * width_um
        return SurfaceScores(self._tolerance_um, *columns)


def measure_surfaces(
    label: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    num_classes: int,
    *,
    mpp: tuple[float, float],
    tolerance_um: float,
) -> SurfaceScores | None:
    """Measure the outlines of an image that is in memory.

    Args:
        label: Truth, uint8 ``(h, w)``, 255 = ignore.
        mask: Prediction, uint8 ``(h, w)``, 255 = not analysed.
        num_classes: Classes of both.
        mpp: Sides of a pixel (µm), ``(x, y)``.
        tolerance_um: Distance up to which two outlines count as the same.

    Returns:
        The scores; None where the outlines have more than ``MAX_OUTLINE_POINTS`` points.

    Raises:
        ConfigError: Shapes, resolution or tolerance are impossible.
    """
    meter = SurfaceMeter(num_classes, mpp=mpp, tolerance_um=tolerance_um)
    meter.add(label, mask)
    return meter.finish()


def _compare(
    true: Outline, predicted: Outline, aspect: float, tolerance: float
) -> tuple[float, float, float, float, float]:
    """Return both lengths, both lengths near the other outline, and the robust distance.

    All are in widths of a pixel.

    Args:
        true: Outline in the truth.
        predicted: Outline in the prediction.
        aspect: Height of a pixel.
        tolerance: Distance up to which both count as the same.
    """
    if true.is_hidden:
        return (float("nan"),) * 5
    if not (len(true.points) and len(predicted.points)):
        return true.length, predicted.length, 0.0, 0.0, float("nan")
    here, there = (side.points * np.array([aspect, 1.0]) for side in (true, predicted))
    from_true, from_predicted = _distances(here, there), _distances(there, here)
    within = tolerance * TOLERANCE_SLACK
    return (
        true.length,
        predicted.length,
        float(true.lengths[from_true <= within].sum()),
        float(predicted.lengths[from_predicted <= within].sum()),
        max(_percentile95(from_true, true), _percentile95(from_predicted, predicted)),
    )


def _distances(points: FloatArray, others: FloatArray) -> FloatArray:
    """Return how far each point lies from the nearest of the others."""
    # A tree of points and not a map of distances: memory grows with the outlines, not the image.
    distances, _ = KDTree(others).query(points)
    return np.asarray(distances, np.float64)


def _percentile95(distances: FloatArray, outline: Outline) -> float:
    """Return the distance that 95 % of the outline's length does not exceed."""
    order = np.argsort(distances)
    covered = np.cumsum(outline.lengths[order])
    place = np.searchsorted(covered, 0.95 * covered[-1])
    return float(distances[order][place])
