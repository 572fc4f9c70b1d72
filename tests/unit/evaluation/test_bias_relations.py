"""What the learned bias goes with, checked against figures worked out by hand and SciPy."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from dfaseg.classmap import ClassMap
from dfaseg.evaluation.bias_relations import BiasRelation, correlate, relate_bias
from dfaseg.evaluation.methods import group_runs
from dfaseg.evaluation.results import CaseResult, EvalResult
from dfaseg.evaluation.runs import Run

SHARES = [0.4, 0.3, 0.2, 0.1]
CLASSES = ClassMap.from_records(
    [{"index": i, "name": f"class {i}", "colour": "#123456"} for i in range(4)]
)
WARM = {"bias.prior": "focal", "bias.gamma": 2.0, "bias.alpha": 0.5}


def run(mode: str, seed: int, right: list[int], delta: list[float] | None = None) -> Run:
    """Return a run that finds so many of 100 true pixels of each class and paints nothing wrong."""
    counts = np.diag(right)
    counts[:, 0] += 100 - np.array(right)
    facts: dict[str, Any] = {"seed": seed, "delta": delta, "frequencies": SHARES}
    result = EvalResult("run", CLASSES, None, (CaseResult("c", "c", counts),), facts)
    return Run(Path(f"{mode}-{seed}"), {"bias.mode": mode, **WARM}, seed, result)


def found(relations: tuple[BiasRelation, ...]) -> dict[tuple[str, str, str], BiasRelation]:
    """Return relations by what they relate."""
    return {(one.method, one.measured, one.against): one for one in relations}


def test_three_classes_in_order_are_no_proof() -> None:
    """Of 6 orders of three, 2 are as strict as this one: p = 1/3."""
    correlation = correlate(np.array([1.0, 2.0, 4.0]), np.array([10.0, 20.0, 30.0]))

    assert correlation.spearman == pytest.approx(1)
    assert correlation.spearman_p == pytest.approx(1 / 3)
    assert correlation.pearson == pytest.approx(0.98198, abs=1e-5)


def test_spearman_equals_that_worked_out_by_hand() -> None:
    """Ranks 1 2 3 4 and 2 1 4 3: 1 − 6·4 / (4·15) = 0.6; 10 of 24 orders are as strong.

    |rho| >= 0.6 means sums of squared rank differences up to 4 or from 16 on: 1 + 3 + 1 orders of
    one side, as many of the other.
    """
    correlation = correlate(np.array([1.0, 2, 3, 4]), np.array([2.0, 1, 4, 3]))

    assert correlation.spearman == pytest.approx(0.6)
    assert correlation.spearman_p == pytest.approx(10 / 24)


@pytest.mark.parametrize("number", [5, 7, 12])
def test_correlations_equal_those_of_scipy(number: int) -> None:
    """Both coefficients, and for few classes the p-value of all orders."""
    x, y = np.random.default_rng(number).normal(size=(2, number))

    correlation = correlate(x, y)

    assert correlation.spearman == pytest.approx(stats.spearmanr(x, y).statistic)
    assert correlation.pearson == pytest.approx(stats.pearsonr(x, y).statistic)
    assert 0 < correlation.spearman_p <= 1


def test_classes_without_a_score_are_left_out() -> None:
    """Two classes, or equal numbers, have no correlation."""
    nan = float("nan")

    assert correlate(np.array([1, 2, nan, 3.0]), np.array([1, 2, 9, 3.0])).num_classes == 3
    assert np.isnan(correlate(np.array([1, 2, nan]), np.array([1, 2, 3.0])).spearman)
    assert np.isnan(correlate(np.array([1.0, 1, 1]), np.array([1, 2, 3.0])).pearson)


def test_delta_is_related_to_the_baseline_of_the_same_seed() -> None:
    """Each seed has its own baseline; over means of seeds n stays the number of classes."""
    runs = [
        run("none", 0, [90, 70, 50, 30]),
        run("none", 1, [30, 50, 70, 90]),
        run("cold", 0, [90] * 4, [-0.3, -0.1, 0.1, 0.3]),
        run("cold", 1, [90] * 4, [0.3, 0.1, -0.1, -0.3]),
    ]

    relation = found(relate_bias(group_runs(runs)))["cold", "delta", "baseline_dice"]

    baseline = [one.result.pooled().dice for one in runs[:2]]
    deltas = [runs[2].result.facts["delta"], runs[3].result.facts["delta"]]
    expected = [stats.spearmanr(d, b).statistic for d, b in zip(deltas, baseline, strict=True)]
    assert [one.spearman for one in relation.by_seed] == pytest.approx(expected)
    assert relation.baseline == "none"
    assert relation.of_means.num_classes == 4


def test_warm_start_is_taken_off_what_training_learned() -> None:
    """A delta that never moved goes with frequency perfectly, and has changed in no class."""
    start = 0.5 * (2 * np.log(1 - np.array(SHARES)) - (2 * np.log(1 - np.array(SHARES))).mean())
    relations = found(relate_bias(group_runs([run("dfa", 0, [90] * 4, start.tolist())])))

    assert relations["dfa", "delta", "log_frequency"].of_means.spearman == pytest.approx(-1)
    delta = (start + np.array([0.4, 0.3, 0.2, 0.1])).tolist()
    moved = found(relate_bias(group_runs([run("dfa", 0, [90] * 4, delta)])))
    assert moved["dfa", "change", "log_frequency"].of_means.spearman == pytest.approx(1)


def test_methods_that_begin_at_zero_have_no_other_change() -> None:
    """Both cold and dfa_anchored learn all of their delta; methods that learn none are left out."""
    runs = [run(mode, 0, [90] * 4, [0.1, 0.2, 0.3, 0.4]) for mode in ("cold", "dfa_anchored")]
    runs.append(run("frozen_init", 0, [80] * 4))

    relations = relate_bias(group_runs(runs))

    assert {(one.method, one.measured) for one in relations} == {
        ("cold", "delta"),
        ("dfa_anchored", "delta"),
    }
