"""How far scores could be off because other cases might have been drawn."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfaseg.errors import ConfigError
from dfaseg.evaluation.records import CountArray, FloatArray, to_plain
from dfaseg.evaluation.stacks import StackedScores, stack_scores

NUM_RESAMPLES = 2000
"""Enough for the ends of a 95 % interval to be known to a twentieth of its width or so."""

DEFAULT_LEVEL = 0.95

OVERALL = (
    "macro_dice", "macro_iou", "macro_precision", "macro_recall", "worst_dice", "pixel_accuracy",
    "frequency_weighted_iou",
)  # fmt: skip
PER_CLASS = ("dice", "iou", "precision", "recall")

_BLOCK = 256
"""Resamples drawn at a time, so that memory does not grow with their number times the cases."""


@dataclass(frozen=True, slots=True)
class Intervals:
    """Confidence intervals of pooled scores.

    Attributes:
        level: Share of intervals made like this that hold the true value.
        num_cases: Cases that were drawn from.
        overall: Low and high end of each score over all classes, ``(2,)`` each.
        per_class: Low and high end of each class's scores, ``(k, 2)`` each; NaN for a class that
            occurs nowhere or is not scored.
    """

    level: float
    num_cases: int
    overall: dict[str, FloatArray]
    per_class: dict[str, FloatArray]

    def to_record(self, class_names: tuple[str, ...]) -> dict[str, Any]:
        """Return a plain table for JSON: [low, high] of each score, laid out as ``Scores`` is."""
        record: dict[str, Any] = {"level": self.level, "num_cases": self.num_cases}
        record |= {name: to_plain(ends) for name, ends in self.overall.items()}
        record["classes"] = {
            class_name: {name: to_plain(ends[index]) for name, ends in self.per_class.items()}
            for index, class_name in enumerate(class_names)
        }
        return record


@dataclass(frozen=True, slots=True)
class NoIntervals:
    """Why there are no intervals, in a sentence fit for a report."""

    reason: str


def bootstrap_intervals(
    cases: CountArray,
    *,
    num_resamples: int = NUM_RESAMPLES,
    level: float = DEFAULT_LEVEL,
    seed: int = 0,
    unscored: Sequence[int] = (),
) -> Intervals | NoIntervals:
    """Draw cases with replacement, pool their counts and score them, again and again.

    The interval ends are percentiles of the resampled scores (Efron 1979). A class that does not
    occur in a resample is left out of it, as it is left out of the scores themselves.

    Args:
        cases: Counts of each case (patient, slide), int64 ``(n, k, k)``; images of one patient
            belong together, or the intervals come out too narrow.
        num_resamples: How often to draw.
        level: Share of the resampled scores between both ends.
        seed: Equal seeds give equal intervals.
        unscored: Classes without scores of their own, as in ``compute_scores``.

    Raises:
        ConfigError: A setting is impossible.
    """
    if not (0 < level < 1 and num_resamples > 0):
        raise ConfigError(
            f"bootstrap: level {level} and {num_resamples} resamples; the level must be between 0 "
            "and 1 and there must be a resample"
        )
    if len(cases) < 2:
        return NoIntervals(
            f"{len(cases)} case: intervals need at least 2, because they show how cases differ"
        )
    parts = [
        stack_scores(resampled, unscored)
        for resampled in resample(cases, num_resamples=num_resamples, seed=seed)
    ]
    return Intervals(
        level=level,
        num_cases=len(cases),
        overall={name: percentile_ends(_joined(parts, name), level) for name in OVERALL},
        per_class={name: percentile_ends(_joined(parts, name), level) for name in PER_CLASS},
    )


def draw_weights(num_cases: int, *, num_resamples: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Yield how often each case is drawn, ``(block, num_cases)``, until there are enough."""
    generator = np.random.default_rng(seed)
    share = np.full(num_cases, 1 / num_cases)
    for start in range(0, num_resamples, _BLOCK):
        size = min(_BLOCK, num_resamples - start)
        yield generator.multinomial(num_cases, share, size).astype(np.float64)


def resample(cases: CountArray, *, num_resamples: int, seed: int) -> Iterator[FloatArray]:
    """Yield pooled counts of cases drawn with replacement, ``(block, k, k)``."""
    flat = cases.reshape(len(cases), -1).astype(np.float64)
    for weights in draw_weights(len(cases), num_resamples=num_resamples, seed=seed):
        # Whole numbers below 2^53: sums of pixels are exact in floating point.
        yield (weights @ flat).reshape(-1, *cases.shape[1:])


def percentile_ends(values: FloatArray, level: float) -> FloatArray:
    """Return low and high percentile over the first axis, ``(..., 2)``; NaN where none is defined.

    Args:
        values: Resampled scores, ``(resamples, ...)``; what is not defined is left out.
        level: Share of the values between both ends.
    """
    columns = values.reshape(len(values), -1).T
    ends = np.full((len(columns), 2), np.nan)
    tail = 100 * (1 - level) / 2
    for index, column in enumerate(columns):
        defined = column[np.isfinite(column)]
        if defined.size:
            ends[index] = np.percentile(defined, [tail, 100 - tail])
    return ends.reshape(*values.shape[1:], 2)


def _joined(parts: list[StackedScores], name: str) -> FloatArray:
    return np.concatenate([getattr(part, name) for part in parts])
