"""Measures beside the confusion matrix, added up over images: outlines, objects, confidence."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np

from dfaseg.evaluation.boundary import SurfaceScores
from dfaseg.evaluation.calibration import CalibrationCounts
from dfaseg.evaluation.objects import ObjectScores
from dfaseg.evaluation.records import FloatArray, ratio
from dfaseg.evaluation.results import EvalResult


@dataclass(frozen=True, slots=True)
class Extra:
    """A measure beside those of the confusion matrix.

    Attributes:
        name: What it is called.
        value: The measure; NaN where it is not defined.
        text: The measure with its unit.
        meaning: How to read it.
    """

    name: str
    value: float
    text: str
    meaning: str


def extra_measures(result: EvalResult) -> tuple[Extra, ...]:
    """Return what was measured beside the confusion matrix, over all images."""
    surfaces = [case.surface for case in result.cases if case.surface is not None]
    objects = [case.objects for case in result.cases if case.objects is not None]
    return (
        *_surfaces(surfaces, result.class_map.names),
        *_objects(objects, result.class_map.names),
        *_calibration(result.calibration()),
    )


def _surfaces(surfaces: Sequence[SurfaceScores], names: Sequence[str]) -> list[Extra]:
    """Return measures of outlines: lengths are pooled, distances averaged over images."""
    if not surfaces:
        return []
    tolerance = surfaces[0].tolerance_um
    hidden = np.sum([~s.is_compared for s in surfaces], axis=0)
    near = _total([s.true_near_um + s.predicted_near_um for s in surfaces])
    surface_dice = ratio(near, _total([s.true_um + s.predicted_um for s in surfaces]))
    distances = np.stack([s.hausdorff95_um for s in surfaces])  # (n, k)
    defined = np.isfinite(distances)
    means = ratio(np.where(defined, distances, 0).sum(axis=0), defined.sum(axis=0))
    found = []
    for index, name in enumerate(names):
        missing = "not compared" if hidden[index] else "–"
        found += [
            Extra(
                f"Surface Dice, {name}",
                float(surface_dice[index]),
                _score(surface_dice[index], missing),
                f"Share of both outlines that lie within {tolerance:g} µm of each other."
                + _hidden_note(int(hidden[index]), len(surfaces)),
            ),
            Extra(
                f"Hausdorff 95 %, {name}",
                float(means[index]),
                f"{means[index]:.1f} µm" if defined[:, index].any() else missing,
                "Distance that 95 % of the outlines keep to each other; mean over the"
                f" {int(defined[:, index].sum())} images that have both.",
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


def _objects(objects: Sequence[ObjectScores], names: Sequence[str]) -> list[Extra]:
    if not objects:
        return []
    total = reduce(add, objects)
    name, distance = names[total.class_index], total.object_hausdorff_px
    counted = f"{total.num_found} of {total.num_true} found; {total.num_predicted} predicted."
    return [
        Extra(f"Object F1, {name}", total.f1, _score(total.f1), counted),
        Extra(
            f"Object Dice, {name}",
            total.object_dice,
            _score(total.object_dice),
            "Overlap object by object, weighted by area.",
        ),
        Extra(
            f"Object Hausdorff, {name}",
            distance,
            f"{distance:.0f} px" if np.isfinite(distance) else "–",
            "Largest distance of an object's outline, weighted by area.",
        ),
    ]


def _calibration(counts: CalibrationCounts | None) -> list[Extra]:
    if counts is None:
        return []
    meaning = (
        "Mean gap between how sure the model is and how often it is right; 0 is best. On average"
        f" it is {100 * counts.mean_confidence:.1f} % sure and"
        f" {100 * counts.accuracy:.1f} % right."
    )
    error = counts.expected_error
    return [Extra("Expected calibration error", error, f"{100 * error:.1f} %", meaning)]


def _total(parts: Sequence[FloatArray]) -> FloatArray:
    """Add up what images have; those in which a class is not compared add nothing."""
    total: FloatArray = np.nansum(parts, axis=0)
    return total


def _score(value: float, missing: str = "–") -> str:
    return f"{value:.3f}" if np.isfinite(value) else missing
