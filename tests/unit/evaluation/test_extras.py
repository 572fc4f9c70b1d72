"""Measures beside the confusion matrix: pooled values, and intervals over cases."""

import numpy as np
import pytest

from dfaseg.classmap import ClassMap, TissueClass
from dfaseg.evaluation.boundary import SurfaceScores
from dfaseg.evaluation.calibration import CalibrationCounts
from dfaseg.evaluation.extras import extra_measures
from dfaseg.evaluation.objects import ObjectScores
from dfaseg.evaluation.results import CaseResult, EvalResult

CLASSES = ClassMap((TissueClass(0, "other", (200, 200, 200)), TissueClass(1, "gland", (200, 0, 0))))


def surface(near: float, length: float, distance: float) -> SurfaceScores:
    """Return outlines of the second class; those of the first are nowhere."""
    return SurfaceScores(
        5.0,
        true_um=np.array([0.0, length / 2]),
        predicted_um=np.array([0.0, length / 2]),
        true_near_um=np.array([0.0, near / 2]),
        predicted_near_um=np.array([0.0, near / 2]),
        hausdorff95_um=np.array([np.nan, distance]),
    )


def result_of(*parts: dict, cases: str = "abcdefgh") -> EvalResult:
    """Return an evaluation of images of which only these parts matter."""
    images = [
        CaseResult(f"{number}", case, np.eye(2, dtype=np.int64), **part)
        for number, (case, part) in enumerate(zip(cases, parts, strict=False))
    ]
    return EvalResult("made up", CLASSES, 0.5, tuple(images))


def found_in(result: EvalResult) -> dict:
    """Return the measures by name."""
    return {extra.name: extra for extra in extra_measures(result)}


def test_outlines_are_pooled_and_distances_averaged() -> None:
    """Lengths of 100 and 300 µm count by their length, the two distances alike."""
    found = found_in(result_of({"surface": surface(50, 100, 4)}, {"surface": surface(300, 300, 8)}))

    dice, distance = found["Surface Dice, gland"], found["Hausdorff 95 %, gland"]
    assert dice.estimate.value == pytest.approx(350 / 400)
    assert (dice.estimate.low, dice.estimate.high) == pytest.approx((0.5, 1.0))
    assert (dice.text, dice.spread) == ("0.875", "0.500 to 1.000")
    assert (distance.text, distance.spread) == ("6.0 µm", "4.0 µm to 8.0 µm")
    nowhere = found["Surface Dice, other"]
    assert np.isnan(nowhere.estimate.value)
    assert (nowhere.text, nowhere.spread) == ("–", "")


def test_class_that_ends_nowhere_in_sight_is_not_compared() -> None:
    """A stray outline in an image without the class says nothing of outlines that are not known."""
    nan = np.array([np.nan, np.nan])
    hidden = SurfaceScores(5.0, nan, nan, nan, nan, nan)
    none = np.zeros(2)
    stray = SurfaceScores(5.0, none, np.array([0.0, 30.0]), none, none, nan)

    found = found_in(result_of({"surface": hidden}, {"surface": stray}, {"surface": stray}))
    only_stray = found_in(result_of({"surface": stray}, {"surface": stray}))

    dice = found["Surface Dice, gland"]
    assert np.isnan(dice.estimate.value)
    assert (dice.text, dice.spread) == ("not compared", "")
    assert only_stray["Surface Dice, gland"].text == "0.000"


def test_images_of_one_case_are_drawn_together() -> None:
    """Two images of one case leave nothing to draw, however they differ."""
    parts = {"surface": surface(50, 100, 4)}, {"surface": surface(300, 300, 8)}

    dice = found_in(result_of(*parts, cases="aa"))["Surface Dice, gland"]

    assert dice.estimate.value == pytest.approx(350 / 400)
    assert not dice.estimate.has_interval


def test_intervals_hold_what_draws_give() -> None:
    """Against drawing image by image and adding objects and bins up, as one would by hand."""
    random = np.random.default_rng(3)
    parts = []
    for _ in range(8):
        num = random.integers(1, 9, 3)
        areas, dice = random.integers(10, 90, 4), random.random(4) * 9
        objects = ObjectScores(
            1, int(num[0]), int(num[1]), int(min(num)), int(areas[0]), int(areas[1]), dice[0],
            dice[1], int(areas[2]), int(areas[3]), dice[2] * 50, dice[3] * 50,
        )  # fmt: skip
        pixels = random.integers(1, 50, 10)
        calibration = CalibrationCounts(
            pixels, random.integers(0, pixels + 1), random.random(10) * pixels
        )
        parts.append({"objects": objects, "calibration": calibration})
    found = found_in(result_of(*parts))

    def by_hand(key: str, measure) -> list[float]:
        values = []
        for _ in range(3000):
            drawn = [parts[index][key] for index in random.integers(0, 8, 8)]
            values.append(measure(sum(drawn[1:], start=drawn[0])))
        return np.percentile(values, [2.5, 97.5]).tolist()

    for name, key, measure in (
        ("Object F1, gland", "objects", lambda one: one.f1),
        ("Object Dice, gland", "objects", lambda one: one.object_dice),
        ("Object Hausdorff, gland", "objects", lambda one: one.object_hausdorff_px),
        ("Expected calibration error", "calibration", lambda one: one.expected_error),
    ):
        estimate = found[name].estimate
        assert estimate.low < estimate.value < estimate.high
        expected = by_hand(key, measure)
        width = expected[1] - expected[0]
        assert [estimate.low, estimate.high] == pytest.approx(expected, abs=0.1 * width)
