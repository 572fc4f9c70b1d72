"""Scores of many confusion matrices at once: of all cases, or of thousands of resamples."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfaseg.evaluation.records import FloatArray, ratio


@dataclass(frozen=True, slots=True)
class StackedScores:
    """Scores of a stack of n matrices; NaN where not defined, as in ``Scores``.

    Attributes:
        dice: Of each class, ``(n, k)``.
        iou: Of each class, ``(n, k)``.
        precision: Of each class, ``(n, k)``.
        recall: Of each class, ``(n, k)``.
        pixel_accuracy: Share of right pixels, ``(n,)``.
        frequency_weighted_iou: IoU weighted by the true share of each class, ``(n,)``.
    """

    dice: FloatArray
    iou: FloatArray
    precision: FloatArray
    recall: FloatArray
    pixel_accuracy: FloatArray
    frequency_weighted_iou: FloatArray

    @property
    def macro_dice(self) -> FloatArray:
        """Mean Dice over the classes that occur in each matrix, ``(n,)``."""
        return mean_defined(self.dice)

    @property
    def macro_iou(self) -> FloatArray:
        """Mean IoU over the classes that occur in each matrix, ``(n,)``."""
        return mean_defined(self.iou)

    @property
    def macro_precision(self) -> FloatArray:
        """Mean precision over the classes predicted in each matrix, ``(n,)``."""
        return mean_defined(self.precision)

    @property
    def macro_recall(self) -> FloatArray:
        """Mean recall over the true classes of each matrix, ``(n,)``."""
        return mean_defined(self.recall)

    @property
    def worst_dice(self) -> FloatArray:
        """Dice of the worst class that occurs in each matrix, ``(n,)``."""
        worst = np.where(np.isnan(self.dice), np.inf, self.dice).min(axis=1)
        return np.where(np.isinf(worst), np.nan, worst)


def stack_scores(
    counts: NDArray[np.int64] | FloatArray, unscored: Sequence[int] = ()
) -> StackedScores:
    """Compute the scores of each matrix of a stack.

    Args:
        counts: True class (row) by predicted class (column), ``(n, k, k)``.
        unscored: Classes without scores of their own, as in ``compute_scores``.
    """
    right = np.diagonal(counts, axis1=1, axis2=2).astype(np.float64)
    in_truth = counts.sum(axis=2).astype(np.float64)
    in_mask = counts.sum(axis=1).astype(np.float64)
    total = in_truth.sum(axis=1)
    iou = ratio(right, in_truth + in_mask - right)
    per_class = (
        ratio(2 * right, in_truth + in_mask),
        iou,
        ratio(right, in_mask),
        ratio(right, in_truth),
    )
    for values in per_class:
        values[:, list(unscored)] = np.nan
    return StackedScores(
        *per_class,
        pixel_accuracy=ratio(right.sum(axis=1), total),
        frequency_weighted_iou=ratio(np.nansum(iou * in_truth, axis=1), total),
    )


def mean_defined(values: FloatArray) -> FloatArray:
    """Return the mean over the last axis of what is defined; NaN where nothing is."""
    defined = np.isfinite(values)
    return ratio(np.where(defined, values, 0).sum(axis=-1), defined.sum(axis=-1))
