"""Intervals of scores come from drawing cases again."""

import numpy as np
import pytest

from dfaseg.errors import ConfigError
from dfaseg.evaluation.bootstrap import (
    OVERALL,
    PER_CLASS,
    Intervals,
    NoIntervals,
    bootstrap_intervals,
    resample,
)
from dfaseg.evaluation.confusion import ConfusionMatrix
from dfaseg.evaluation.metrics import compute_scores
from dfaseg.evaluation.stacks import stack_scores


def _cases(number: int, num_classes: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 60, (number, num_classes, num_classes))


def _intervals(cases: np.ndarray, **settings: float) -> Intervals:
    intervals = bootstrap_intervals(cases, **settings)
    assert isinstance(intervals, Intervals)
    return intervals


@pytest.mark.parametrize("unscored", [(), (1,)])
def test_stack_scores_each_matrix_as_alone(unscored: tuple[int, ...]) -> None:
    """Scoring many matrices at once gives what scoring them one by one gives, NaN included."""
    stack = _cases(6, 4)
    stack[0, 2], stack[0, :, 2] = 0, 0
    stack[1] = 0

    together = stack_scores(stack, unscored)

    for index, counts in enumerate(stack):
        confusion = ConfusionMatrix(4)
        confusion.counts = counts
        alone = compute_scores(confusion, unscored)
        for name in (*PER_CLASS, *OVERALL):
            expected = pytest.approx(getattr(alone, name), nan_ok=True)
            assert getattr(together, name)[index] == expected


def test_intervals_hold_the_score_and_depend_on_the_seed_only() -> None:
    """Equal seeds give equal ends, and the pooled score lies between them."""
    cases = _cases(30)
    pooled = stack_scores(cases.sum(axis=0, keepdims=True))

    first, again = (_intervals(cases, num_resamples=300, seed=7) for _ in range(2))

    assert first.to_record(("a", "b", "c")) == again.to_record(("a", "b", "c"))
    low, high = first.overall["macro_dice"]
    assert low < pooled.macro_dice[0] < high
    assert np.all(first.per_class["dice"][:, 0] < pooled.dice[0])


def test_class_that_is_not_scored_has_no_interval_and_widens_none() -> None:
    """Intervals are those of the means without it."""
    cases = _cases(10)
    cases[:, 2] = 0

    intervals = bootstrap_intervals(cases, num_resamples=200, unscored=(2,))

    assert isinstance(intervals, Intervals)
    assert np.isnan(intervals.per_class["dice"][2]).all()
    pooled = stack_scores(cases.sum(axis=0, keepdims=True), (2,))
    low, high = intervals.overall["macro_dice"]
    assert low < pooled.macro_dice[0] < high


def test_equal_cases_leave_nothing_open() -> None:
    """Where all cases are the same, any draw scores the same."""
    intervals = _intervals(np.repeat(_cases(1), 5, axis=0), num_resamples=50)

    assert intervals.overall["macro_dice"][0] == pytest.approx(intervals.overall["macro_dice"][1])


def test_interval_is_as_wide_as_theory_says() -> None:
    """The share of right pixels in equal cases has the standard error of a mean."""
    right = np.random.default_rng(3).integers(20, 80, 60)
    cases = np.zeros((60, 2, 2), np.int64)
    cases[:, 0, 0], cases[:, 0, 1] = right, 100 - right
    expected = 2 * 1.96 * right.std() / 100 / np.sqrt(60)

    low, high = _intervals(cases, num_resamples=4000).overall["pixel_accuracy"]

    assert high - low == pytest.approx(expected, rel=0.05)


def test_resamples_draw_as_many_cases_as_there_are() -> None:
    """A case may come twice or not at all; their number stays."""
    ones = np.ones((7, 1, 1), np.int64)

    drawn = np.concatenate(list(resample(ones, num_resamples=600, seed=0)))

    assert drawn.shape == (600, 1, 1)
    assert np.all(drawn == 7)


def test_absent_class_has_no_interval() -> None:
    """A class that no case holds has no score to be uncertain about, and null in the file."""
    cases = _cases(5)
    cases[:, 1], cases[:, :, 1] = 0, 0

    record = _intervals(cases, num_resamples=20).to_record(("a", "b", "c"))

    assert record["classes"]["b"]["dice"] == [None, None]


@pytest.mark.parametrize("number", [0, 1])
def test_too_few_cases_are_told_why(number: int) -> None:
    """One case says nothing about others."""
    result = bootstrap_intervals(_cases(number))

    assert isinstance(result, NoIntervals)
    assert "at least 2" in result.reason


@pytest.mark.parametrize("settings", [{"level": 1.0}, {"num_resamples": 0}])
def test_impossible_settings_are_refused(settings: dict[str, float]) -> None:
    """An interval of all values has no ends, and nothing follows from no draw."""
    with pytest.raises(ConfigError, match="bootstrap"):
        bootstrap_intervals(_cases(3), **settings)
