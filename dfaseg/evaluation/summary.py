"""The scores of an evaluation with their uncertainty, and what must be said about them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dfaseg.evaluation.calibration import CalibrationCounts
from dfaseg.evaluation.records import CountArray, FloatArray, ratio, to_number
from dfaseg.evaluation.results import EvalResult

OVERALL = ("macro_dice", "macro_iou", "worst_dice", "pixel_accuracy", "frequency_weighted_iou")
PER_CLASS = ("dice", "iou", "precision", "recall")
FEW_CASES = 10
"""With fewer cases, intervals from resampling tend to be too narrow."""
_DRAWS = 2000
_TAILS = (2.5, 97.5)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A score and its 95 % interval.

    Attributes:
        value: The score; NaN where it is not defined.
        low: Lower end; NaN where there is no interval.
        high: Upper end.
    """

    value: float
    low: float = math.nan
    high: float = math.nan

    def to_record(self) -> dict[str, float | None]:
        """Return a plain table for JSON."""
        return {
            "value": to_number(self.value), "low": to_number(self.low),
            "high": to_number(self.high),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Extra:
    """A measure beside those of the confusion matrix.

    Attributes:
        name: What it is called.
        value: The measure.
        text: The measure with its unit.
        meaning: How to read it.
    """

    name: str
    value: float
    text: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What an evaluation comes to.

    Attributes:
        overall: Scores over all classes, by the names in ``OVERALL``.
        classes: Scores of each class, by the names in ``PER_CLASS``, in index order.
        extras: Outlines, objects and calibration, where they were measured.
        notes: What a reader must know to read the scores rightly.
    """

    overall: Mapping[str, Estimate]
    classes: tuple[Mapping[str, Estimate], ...]
    extras: tuple[Extra, ...]
    notes: tuple[str, ...]

    def to_record(self, class_names: tuple[str, ...]) -> dict[str, Any]:
        """Return a plain table for JSON."""
        return {
            "interval": "95 % percentile bootstrap over cases",
            "overall": {name: entry.to_record() for name, entry in self.overall.items()},
            "classes": {
                class_name: {name: entry.to_record() for name, entry in scores.items()}
                for class_name, scores in zip(class_names, self.classes, strict=True)
            },
            "extras": {extra.name: to_number(extra.value) for extra in self.extras},
            "notes": list(self.notes),
        }


def summarise(result: EvalResult, *, notes: tuple[str, ...] = (), seed: int = 0) -> Summary:
    """Compute all scores of an evaluation with intervals.

    Intervals come from drawing cases again with replacement, and pooling their pixels. One case
    has none.

    Args:
        result: What was counted.
        notes: What else must be said, such as what was not scored.
        seed: Origin of the draws.
    """
    counts = np.stack(list(result.by_case().values())) if result.cases else None
    scores = measure(result.confusion()[None])
    drawn = None if counts is None or len(counts) < 2 else measure(resample_cases(counts, seed))
    num_classes = len(result.class_map)
    return Summary(
        overall={name: _estimate(scores, drawn, name) for name in OVERALL},
        classes=tuple(
            {name: _estimate(scores, drawn, name, index) for name in PER_CLASS}
            for index in range(num_classes)
        ),
        extras=_extras(result),
        notes=(*notes, *_notes(result)),
    )


def resample_cases(counts: CountArray, seed: int, draws: int = _DRAWS) -> FloatArray:
    """Draw cases with replacement and pool the pixels of each draw.

    Args:
        counts: Counts of each case, ``(n, k, k)``.
        seed: Origin of the draws.
        draws: How many.

    Returns:
        Pooled counts, ``(draws, k, k)``.
    """
    rng = np.random.default_rng(seed)
    number = len(counts)
    times = rng.multinomial(number, np.full(number, 1 / number), draws).astype(np.float64)
    pooled = times @ counts.reshape(number, -1).astype(np.float64)
    return pooled.reshape(draws, *counts.shape[1:])


def measure(counts: FloatArray | CountArray) -> dict[str, FloatArray]:
    """Compute scores of many confusion matrices at once.

    Args:
        counts: Shape ``(m, k, k)``.

    Returns:
        Scores by name, ``(m,)`` for those of ``OVERALL`` and ``(m, k)`` for ``PER_CLASS``.
    """
    right = np.diagonal(counts, axis1=1, axis2=2).astype(np.float64)
    in_truth, in_mask = counts.sum(axis=2), counts.sum(axis=1)
    total = counts.sum(axis=(1, 2))
    dice = ratio(2 * right, in_truth + in_mask)
    iou = ratio(right, in_truth + in_mask - right)
    defined = np.isfinite(dice)
    present = defined.sum(axis=1)
    worst = np.where(defined, dice, np.inf).min(axis=1)
    return {
        "dice": dice,
        "iou": iou,
        "precision": ratio(right, in_mask),
        "recall": ratio(right, in_truth),
        "macro_dice": ratio(np.nansum(dice, axis=1), present),
        "macro_iou": ratio(np.nansum(iou, axis=1), present),
        "worst_dice": np.where(present > 0, worst, np.nan),
        "pixel_accuracy": ratio(right.sum(axis=1), total),
        "frequency_weighted_iou": ratio(np.nansum(iou * in_truth, axis=1), total),
    }


def _estimate(
    scores: Mapping[str, FloatArray],
    drawn: Mapping[str, FloatArray] | None,
    name: str,
    index: int | None = None,
) -> Estimate:
    """Return one score with its interval; of a class if an index is given."""
    value = float(scores[name][0] if index is None else scores[name][0, index])
    if drawn is None or not math.isfinite(value):
        return Estimate(value)
    values = drawn[name] if index is None else drawn[name][:, index]
    values = values[np.isfinite(values)]
    low, high = np.percentile(values, _TAILS) if values.size else (math.nan, math.nan)
    return Estimate(value, float(low), float(high))


def _notes(result: EvalResult) -> tuple[str, ...]:
    """Return what follows from the counts themselves."""
    notes = [
        "All pixels are pooled in one table of true and predicted classes, each counted once;"
        " pixels without a known class (255, “ignore”) are left out.",
        "Macro scores are means over the classes. Pixel accuracy is the same number as “micro"
        " Dice”; it says little about rare classes.",
        "Intervals: cases were drawn again 2000 times with replacement and pooled; 95 % of the"
        " results lie inside. They show how much the choice of cases matters, not a systematic"
        " error.",
    ]
    counts = result.confusion()
    in_truth, in_mask = counts.sum(axis=1), counts.sum(axis=0)
    for entry in result.class_map:
        if in_truth[entry.index] == 0 and in_mask[entry.index] == 0:
            notes.append(
                f"{entry.name} occurs neither in the truth nor in the prediction and is left out of"
                " the means."
            )
        elif in_truth[entry.index] == 0:
            notes.append(
                f"{entry.name} does not occur in the truth but was predicted: its Dice is 0."
            )
    num_cases = len(result.by_case())
    if 1 < num_cases < FEW_CASES:
        notes.append(f"There are {num_cases} cases only: intervals are likely too narrow.")
    if num_cases == 1:
        notes.append("There is one case only: no interval can be given.")
    return tuple(notes)


def _extras(result: EvalResult) -> tuple[Extra, ...]:
    return (*_calibration(result),)


def _calibration(result: EvalResult) -> tuple[Extra, ...]:
    parts = [case.calibration for case in result.cases if case.calibration is not None]
    if not parts:
        return ()
    total: CalibrationCounts = parts[0]
    for part in parts[1:]:
        total += part
    error = total.expected_error
    meaning = "Mean gap between how sure the model is and how often it is right; 0 is best."
    return (Extra("Expected calibration error", error, f"{100 * error:.1f} %", meaning),)
