"""The scores of an evaluation with their uncertainty, and what must be said about them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dfaseg.evaluation.bootstrap import NUM_RESAMPLES, Intervals, bootstrap_intervals
from dfaseg.evaluation.calibration import CalibrationCounts
from dfaseg.evaluation.estimate import Estimate
from dfaseg.evaluation.extras import Extra, extra_measures
from dfaseg.evaluation.metrics import Scores
from dfaseg.evaluation.results import EvalResult
from dfaseg.evaluation.sampath_compat import CAVEAT, SampathVariant, sampath_variants

OVERALL = (
    "macro_dice", "macro_iou", "macro_precision", "macro_recall", "worst_dice", "pixel_accuracy",
    "frequency_weighted_iou",
)  # fmt: skip
PER_CLASS = ("dice", "iou", "precision", "recall")
FEW_CASES = 10
"""With fewer cases, intervals from resampling tend to be too narrow."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What an evaluation comes to.

    Attributes:
        overall: Scores over all classes, by the names in ``OVERALL``.
        classes: Scores of each class, by the names in ``PER_CLASS``, in index order.
        extras: Outlines, objects and calibration, where they were measured.
        calibration: Pixels by confidence, where there were probabilities.
        sampath: SAM-Path's figures, which are comparable with nothing else here.
        notes: What a reader must know to read the scores rightly.
    """

    overall: Mapping[str, Estimate]
    classes: tuple[Mapping[str, Estimate], ...]
    extras: tuple[Extra, ...]
    calibration: CalibrationCounts | None
    sampath: tuple[SampathVariant, ...]
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
            "extras": {extra.name: extra.estimate.to_record() for extra in self.extras},
            "calibration": self.calibration and self.calibration.summary_record(),
            "sampath_compat": {"note": CAVEAT}
            | {variant.name: variant.scores.to_record() for variant in self.sampath},
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
    counts, unscored = list(result.by_case().values()), result.unscored
    found = bootstrap_intervals(np.stack(counts), seed=seed, unscored=unscored) if counts else None
    intervals = found if isinstance(found, Intervals) else None
    scores = result.pooled()
    return Summary(
        overall={name: _overall(scores, intervals, name) for name in OVERALL},
        classes=tuple(
            {name: _of_class(scores, intervals, name, index) for name in PER_CLASS}
            for index in range(len(result.class_map))
        ),
        extras=extra_measures(result, seed=seed),
        calibration=result.calibration(),
        sampath=sampath_variants(result.confusion(), result.class_map, unscored),
        notes=(*notes, *_notes(result)),
    )


def _overall(scores: Scores, intervals: Intervals | None, name: str) -> Estimate:
    value = float(getattr(scores, name))
    if intervals is None or name not in intervals.overall:
        return Estimate(value)
    return Estimate(value, *(float(end) for end in intervals.overall[name]))


def _of_class(scores: Scores, intervals: Intervals | None, name: str, index: int) -> Estimate:
    value = float(getattr(scores, name)[index])
    if intervals is None or name not in intervals.per_class:
        return Estimate(value)
    return Estimate(value, *(float(end) for end in intervals.per_class[name][index]))


def _notes(result: EvalResult) -> tuple[str, ...]:
    """Return what follows from the counts themselves."""
    notes = [
        "All pixels are pooled in one table of true and predicted classes, each counted once;"
        " pixels without a known class (255, “ignore”) are left out.",
        "Macro scores are means over the classes. Pixel accuracy is the same number as “micro"
        " Dice”; it says little about rare classes.",
        f"Intervals: cases were drawn again {NUM_RESAMPLES} times with replacement and pooled;"
        " 95 % of the results lie inside. They show how much the choice of cases matters, not a"
        " systematic error.",
    ]
    counts = result.confusion()
    in_truth, in_mask = counts.sum(axis=1), counts.sum(axis=0)
    for entry in result.class_map:
        if entry.index in result.unscored:
            continue
        if in_truth[entry.index] == 0 and in_mask[entry.index] == 0:
            notes.append(
                f"{entry.name} occurs neither in the truth nor in the prediction and is left out of"
                " the means."
            )
        elif in_truth[entry.index] == 0:
            notes.append(
                f"{entry.name} does not occur in the truth but was predicted: its Dice is 0."
            )
    return (*notes, *few_cases_notes(len(result.by_case())))


def few_cases_notes(num_cases: int) -> tuple[str, ...]:
    """Return how far intervals over cases can be believed, where these are few."""
    if num_cases == 1:
        return ("There is one case only: no interval can be given.",)
    if num_cases < FEW_CASES:
        return (f"There are {num_cases} cases only: intervals are likely too narrow.",)
    return ()
