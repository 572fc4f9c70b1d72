"""Dice and IoU as SAM-Path computes them, to be held against its tables and nothing else.

SAM-Path (Zhang et al. 2023, arXiv:2307.09570) pools all classes, and drops the background, before
it divides. What comes out is neither the Dice nor the IoU of a class, nor their mean, and must not
stand beside those without a label that says so. What is dropped follows its public code.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dfaseg.classmap import ClassMap, comparable_name
from dfaseg.errors import ConfigError
from dfaseg.evaluation.records import CountArray, to_number

CAVEAT = (
    "Computed as SAM-Path does, to be held against its own tables and nothing else: “micro” sums"
    " the classes before it divides, and “IoU” without background leaves out all pixels whose truth"
    " is background. These figures are not comparable with the scores above."
)
_BACKGROUND_NAMES = frozenset({"background", "non gland"})
"""As ``comparable_name`` returns them."""


@dataclass(frozen=True, slots=True)
class SampathScores:
    """What SAM-Path would print.

    Attributes:
        micro_dice: Its "Dice": true positives, false positives and false negatives are summed over
            the classes before they are divided. Where no background is dropped, each wrong pixel is
            one false positive and one false negative: this is pixel accuracy. With background and
            one other class it is that class's Dice.
        macro_iou: Its "IOU_Jaccard_Bal": pixels whose truth is background are dropped, then IoU is
            averaged over the other classes. What is painted on background is no error any more;
            with one other class this is recall, and exceeds Dice, which no IoU can.
        micro_iou: Its "IOU_Jaccard": the same with the classes summed before they are divided.
    """

    micro_dice: float
    macro_iou: float
    micro_iou: float

    def values(self) -> tuple[float, float, float]:
        """Return all three."""
        return self.micro_dice, self.macro_iou, self.micro_iou

    def to_record(self) -> dict[str, Any]:
        """Return a plain table for JSON; no name in it can be taken for that of another score."""
        return {
            "sampath_micro_dice": to_number(self.micro_dice),
            "sampath_macro_iou": to_number(self.macro_iou),
            "sampath_micro_iou": to_number(self.micro_iou),
        }


def sampath_scores(
    counts: CountArray, *, background: int | None = None, unscored: Sequence[int] = ()
) -> SampathScores:
    """Compute the figures from pooled counts.

    Args:
        counts: True class (row) by predicted class (column), ``(k, k)``.
        background: Class that is dropped (SAM-Path: on CRAG); None keeps all (on BCSS).
        unscored: Classes that are left out of the mean, as in ``compute_scores``.

    Raises:
        ConfigError: The background is no class.
    """
    if background is not None and not 0 <= background < len(counts):
        raise ConfigError(f"background class {background}: there are {len(counts)} classes")
    kept = np.arange(len(counts)) != background
    is_scored = ~np.isin(np.arange(len(counts)), list(unscored))[kept]
    right = np.diagonal(counts)[kept].astype(np.float64)
    in_truth = counts.sum(axis=1)[kept]
    in_mask = counts.sum(axis=0)[kept]
    # Predictions on pixels whose truth is background are not counted.
    union = in_truth + counts[kept].sum(axis=0)[kept] - right
    occurs = (union > 0) & is_scored
    return SampathScores(
        micro_dice=_divide(2 * right.sum(), float((in_truth + in_mask).sum())),
        macro_iou=_divide((right[occurs] / union[occurs]).sum(), float(occurs.sum())),
        micro_iou=_divide(right.sum(), float(union.sum())),
    )


@dataclass(frozen=True, slots=True)
class SampathVariant:
    """The figures, and what was done with the background.

    Attributes:
        name: Short name in tables.
        scores: The figures.
    """

    name: str
    scores: SampathScores


def sampath_variants(
    counts: CountArray, class_map: ClassMap, unscored: Sequence[int] = ()
) -> tuple[SampathVariant, ...]:
    """Compute the figures with all classes, and without the background where a class is named so.

    Args:
        counts: Pooled counts, ``(k, k)``.
        class_map: Their classes.
        unscored: Classes that are left out of the mean.
    """
    found = [SampathVariant("all classes", sampath_scores(counts, unscored=unscored))]
    found += [
        SampathVariant(
            f"without {entry.name}",
            sampath_scores(counts, background=entry.index, unscored=unscored),
        )
        for entry in class_map
        if comparable_name(entry.name) in _BACKGROUND_NAMES
    ]
    return tuple(found)


def _divide(numerator: float, denominator: float) -> float:
    return float(numerator / denominator) if denominator else float("nan")
