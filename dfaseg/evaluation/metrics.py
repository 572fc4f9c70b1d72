"""Scores of a segmentation, from its confusion matrix only."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfaseg.evaluation.confusion import ConfusionMatrix

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores per class, shape ``(k,)`` each, and over classes.

    NaN marks what is not defined: all scores of a class that occurs neither in truth nor in
    prediction or is not scored, the precision of a class never predicted, the recall of a class
    not in truth.

    Attributes:
        dice: 2 |A ∩ B| / (|A| + |B|).
        iou: |A ∩ B| / |A ∪ B|.
        precision: Share of the class's predicted pixels that are right.
        recall: Share of the class's true pixels that are found.
        pixel_accuracy: Share of all pixels that are right (the same as micro Dice).
        frequency_weighted_iou: IoU weighted by the true share of each class.
        unscored: Indices of the classes that are not scored.
    """

    dice: FloatArray
    iou: FloatArray
    precision: FloatArray
    recall: FloatArray
    pixel_accuracy: float
    frequency_weighted_iou: float
    unscored: tuple[int, ...] = ()

    @property
    def macro_dice(self) -> float:
        """Mean Dice over the scored classes that occur in truth or prediction."""
        return _mean_defined(self.dice)

    @property
    def macro_iou(self) -> float:
        """Mean IoU over the classes that occur in truth or prediction."""
        return _mean_defined(self.iou)

    @property
    def macro_precision(self) -> float:
        """Mean precision over the classes that are predicted."""
        return _mean_defined(self.precision)

    @property
    def macro_recall(self) -> float:
        """Mean recall over the classes that occur in the truth."""
        return _mean_defined(self.recall)

    @property
    def worst_dice(self) -> float:
        """Dice of the worst class that occurs."""
        defined = self.dice[np.isfinite(self.dice)]
        return float(defined.min()) if defined.size else float("nan")

    def to_record(self, class_names: tuple[str, ...]) -> dict[str, Any]:
        """Return a plain table for JSON; what is not defined becomes None.

        Args:
            class_names: Names in index order, one per class.
        """
        per_class = ("dice", "iou", "precision", "recall")
        overall = (
            "macro_dice", "macro_iou", "macro_precision", "macro_recall", "worst_dice",
            "pixel_accuracy", "frequency_weighted_iou",
        )  # fmt: skip
        record: dict[str, Any] = {name: _plain(getattr(self, name)) for name in overall}
        record["classes"] = {
            class_name: {name: _plain(getattr(self, name)[index]) for name in per_class}
            for index, class_name in enumerate(class_names)
        }
        record["absent_classes"] = [
            name
            for index, name in enumerate(class_names)
            if np.isnan(self.dice[index]) and index not in self.unscored
        ]
        return record


def compute_scores(confusion: ConfusionMatrix, unscored: Sequence[int] = ()) -> Scores:
    """Compute all scores from one confusion matrix over the whole split.

    Args:
        confusion: The counts.
        unscored: Classes without scores of their own. Pixels that are predicted as one stay wrong
            for their true class.
    """
    counts = confusion.counts.astype(np.float64)
    right = np.diagonal(counts)
    in_truth, in_mask = counts.sum(axis=1), counts.sum(axis=0)
    total = counts.sum()
    iou = _ratio(right, in_truth + in_mask - right)
    per_class = (
        _ratio(2 * right, in_truth + in_mask),
        iou,
        _ratio(right, in_mask),
        _ratio(right, in_truth),
    )
    for values in per_class:
        values[list(unscored)] = np.nan
    return Scores(
        *per_class,
        pixel_accuracy=float(right.sum() / total) if total else float("nan"),
        frequency_weighted_iou=(
            float(np.nansum(iou * in_truth) / total) if total else float("nan")
        ),
        unscored=tuple(unscored),
    )


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    undefined = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=undefined, where=denominator > 0)
    return undefined


def _mean_defined(values: FloatArray) -> float:
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if defined.size else float("nan")


def _plain(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None
