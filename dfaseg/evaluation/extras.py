"""Measures beside the confusion matrix, added up over images: outlines, objects, confidence."""

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from functools import reduce
from operator import add

import numpy as np

from dfaseg.evaluation.calibration import CalibrationCounts
from dfaseg.evaluation.case_draws import CaseDraws
from dfaseg.evaluation.estimate import Estimate
from dfaseg.evaluation.objects import ObjectScores
from dfaseg.evaluation.records import ratio
from dfaseg.evaluation.results import CaseResult, EvalResult

NOT_SCORED = "not scored"
"""Stands in tables where a class was ignored on request."""


@dataclass(frozen=True, slots=True)
class Extra:
    """A measure beside those of the confusion matrix.

    Attributes:
        name: What it is called.
        estimate: The measure and its interval; NaN where it is not defined.
        text: The measure with its unit.
        spread: The interval, in the same unit; empty where there is none.
        meaning: How to read it.
    """

    name: str
    estimate: Estimate
    text: str
    spread: str
    meaning: str


def extra_measures(result: EvalResult, *, seed: int = 0) -> tuple[Extra, ...]:
    """Return what was measured beside the confusion matrix, over all images.

    Args:
        result: What was counted.
        seed: Origin of the draws from which intervals come.
    """
    names = result.class_map.names
    return (
        *_surfaces([case for case in result.cases if case.surface is not None], result, seed),
        *_objects([case for case in result.cases if case.objects is not None], names, seed),
        *_calibration([case for case in result.cases if case.calibration is not None], seed),
    )


def _surfaces(cases: Sequence[CaseResult], result: EvalResult, seed: int) -> list[Extra]:
    """Return measures of outlines: lengths are pooled, distances averaged over images."""
    surfaces = [case.surface for case in cases if case.surface is not None]
    if not surfaces:
        return []
    draws = CaseDraws([case.case for case in cases], seed)
    tolerance = surfaces[0].tolerance_um
    hidden = np.sum([~s.is_compared for s in surfaces], axis=0)
    # Images in which a class is not compared add nothing.
    near = np.nan_to_num([s.true_near_um + s.predicted_near_um for s in surfaces])
    length = np.nan_to_num([s.true_um + s.predicted_um for s in surfaces])
    # Of what is not scored, or is there and ends nowhere in sight, the truth has no outline: one in
    # the prediction would make it 0.
    unknown = (hidden > 0) & (np.nansum([s.true_um for s in surfaces], axis=0) == 0)
    unknown[list(result.unscored)] = True
    near[:, unknown] = length[:, unknown] = 0
    distances = np.stack([s.hausdorff95_um for s in surfaces])  # (n, k)
    defined = np.isfinite(distances)
    far = np.where(defined, distances, 0.0)
    surface_dice = ratio(near.sum(axis=0), length.sum(axis=0))
    means = ratio(far.sum(axis=0), defined.sum(axis=0))
    drawn_dice = ratio(draws.totals(near), draws.totals(length))
    drawn_means = ratio(draws.totals(far), draws.totals(defined.astype(np.float64)))
    found = []
    for index, name in enumerate(result.class_map.names):
        missing = "not compared" if hidden[index] else "–"
        if index in result.unscored:
            missing = NOT_SCORED
        found += [
            _extra(
                f"Surface Dice, {name}",
                draws.estimate(float(surface_dice[index]), drawn_dice[:, index]),
                _score,
                f"Share of both outlines that lie within {tolerance:g} µm of each other."
                + _hidden_note(int(hidden[index]), len(surfaces)),
                missing,
            ),
            _extra(
                f"Hausdorff 95 %, {name}",
                draws.estimate(float(means[index]), drawn_means[:, index]),
                _microns,
                "Distance that 95 % of the outlines keep to each other; mean over the"
                f" {int(defined[:, index].sum())} images that have both.",
                missing,
            ),
        ]
    return found


def _hidden_note(num_hidden: int, num_images: int) -> str:
    """Say in how many images a class is not compared; nothing where there are none."""
    if not num_hidden:
        return ""
    return (
        f" Not compared in {num_hidden} of {num_images} images: wherever the class ends in the"
        " truth, ignored pixels begin."
    )


def _objects(cases: Sequence[CaseResult], names: Sequence[str], seed: int) -> list[Extra]:
    objects = [case.objects for case in cases if case.objects is not None]
    if not objects:
        return []
    total = reduce(add, objects)
    name = names[total.class_index]
    draws = CaseDraws([case.case for case in cases], seed)
    sums = draws.totals(np.array([astuple(one)[1:] for one in objects], np.float64))
    drawn = [ObjectScores(total.class_index, *row) for row in sums.tolist()]

    def estimate(measure: Callable[[ObjectScores], float]) -> Estimate:
        return draws.estimate(measure(total), np.array([measure(one) for one in drawn]))

    return [
        _extra(
            f"Object F1, {name}",
            estimate(lambda one: one.f1),
            _score,
            f"{total.num_found} of {total.num_true} found; {total.num_predicted} predicted.",
        ),
        _extra(
            f"Object Dice, {name}",
            estimate(lambda one: one.object_dice),
            _score,
            "Overlap object by object, weighted by area.",
        ),
        _extra(
            f"Object Hausdorff, {name}",
            estimate(lambda one: one.object_hausdorff_px),
            _pixels,
            "Largest distance of an object's outline, weighted by area.",
        ),
    ]


def _calibration(cases: Sequence[CaseResult], seed: int) -> list[Extra]:
    parts = [case.calibration for case in cases if case.calibration is not None]
    if not parts:
        return []
    counts = reduce(add, parts)
    draws = CaseDraws([case.case for case in cases], seed)
    sums = draws.totals(np.array([(p.pixels, p.right, p.confidence) for p in parts], np.float64))
    drawn = [
        CalibrationCounts(pixels.astype(np.int64), right.astype(np.int64), confidence)
        for pixels, right, confidence in sums
    ]
    errors = np.array([one.expected_error for one in drawn])
    meaning = (
        "Mean gap between how sure the model is and how often it is right; 0 is best. On average"
        f" it is {100 * counts.mean_confidence:.1f} % sure and"
        f" {100 * counts.accuracy:.1f} % right."
    )
    estimate = draws.estimate(counts.expected_error, errors)
    return [_extra("Expected calibration error", estimate, _percent, meaning)]


def _extra(
    name: str,
    estimate: Estimate,
    say: Callable[[float], str],
    meaning: str,
    missing: str = "–",
) -> Extra:
    text = say(estimate.value) if np.isfinite(estimate.value) else missing
    ends = f"{say(estimate.low)} to {say(estimate.high)}" if estimate.has_interval else ""
    return Extra(name, estimate, text, ends, meaning)


def _score(value: float) -> str:
    return f"{value:.3f}"


def _microns(value: float) -> str:
    return f"{value:.1f} µm"


def _pixels(value: float) -> str:
    return f"{value:.0f} px"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"
