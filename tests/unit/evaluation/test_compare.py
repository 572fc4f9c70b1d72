"""Methods are summed up over seeds and compared on the same cases."""

import json
from dataclasses import replace

import numpy as np
import pytest

from dfaseg.classmap import ClassMap, TissueClass
from dfaseg.errors import ConfigError
from dfaseg.evaluation.compare import Comparison, compare_methods
from dfaseg.evaluation.results import CaseResult, EvalResult

CLASSES = ClassMap((TissueClass(0, "stroma", (1, 2, 3)), TissueClass(1, "gland", (4, 5, 6))))


def _result(
    title: str, right: list[int], seed: int | None = None, cases: str = "abcdefgh"
) -> EvalResult:
    found = (
        CaseResult(name, name, np.array([[count, 100 - count], [100 - count, count]]))
        for name, count in zip(cases, right, strict=False)
    )
    return EvalResult(title, CLASSES, None, tuple(found), {} if seed is None else {"seed": seed})


def _compare(**methods: list[EvalResult]) -> Comparison:
    return compare_methods(methods, num_draws=200)


def test_mean_and_spread_are_over_seeds() -> None:
    """Three seeds at 0.5, 0.6 and 0.7 are 0.6 with a deviation of 0.1."""
    runs = [_result(f"run-{seed}", [50 + 10 * seed] * 4, seed) for seed in range(3)]

    summary = _compare(dfa=runs).methods[0]

    assert summary.overall["macro_dice"].mean == pytest.approx(0.6)
    assert summary.overall["macro_dice"].deviation == pytest.approx(0.1)
    assert summary.dice[1].mean == pytest.approx(0.6)
    assert summary.titles == ("run-0", "run-1", "run-2")
    assert summary.macro_interval[0] < 0.6 < summary.macro_interval[1]


def test_all_pairs_are_tested_and_adjusted() -> None:
    """Three methods make three pairs, each p-value adjusted for three."""
    methods = {name: [_result(name, list(range(start, start + 8)))]
               for name, start in [("x", 60), ("y", 50), ("z", 55)]}  # fmt: skip

    comparison = compare_methods(methods, num_draws=200)

    pairs = [(test.first, test.second) for test in comparison.tests]
    assert pairs == [("x", "y"), ("x", "z"), ("y", "z")]
    assert comparison.bootstrap_holm == pytest.approx([6 / 201] * 3)
    assert comparison.wilcoxon_holm == pytest.approx([3 * 2 / 2**8] * 3)


def test_baseline_limits_the_pairs() -> None:
    """Fewer questions cost fewer p-values; an unknown baseline is refused."""
    methods = {name: [_result(name, [50, 60, 70])] for name in "xyz"}

    tests = compare_methods(methods, baseline="y", num_draws=20).tests

    assert [(test.first, test.second) for test in tests] == [("x", "y"), ("z", "y")]
    with pytest.raises(ConfigError, match="baseline 'w': no such method; there are x, y, z"):
        compare_methods(methods, baseline="w")


def test_order_of_cases_and_seeds_plays_no_part() -> None:
    """Pairs are matched by case and seed, not by place."""
    one = [_result("a1", [50, 70, 90], 1), _result("a2", [40, 60, 80], 2)]
    other = [_result("b2", [81, 61, 41], 2, "cba"), _result("b1", [91, 71, 51], 1, "cba")]

    test = _compare(a=one, b=other).tests[0]

    assert test.seed_differences == pytest.approx((-0.01, -0.01))
    assert test.interval == pytest.approx([-0.01, -0.01])


def test_unequal_cases_are_named() -> None:
    """Methods that saw other cases cannot be compared; the message says which."""
    with pytest.raises(ConfigError, match="only in the first: a; only in the second: d, e"):
        _compare(x=[_result("x", [50, 50, 50])], y=[_result("y", [50] * 4, cases="bcde")])


def test_other_classes_are_refused() -> None:
    """Scores of other classes are not scores of these."""
    classes = ClassMap((TissueClass(0, "stroma", (1, 2, 3)), TissueClass(1, "fat", (4, 5, 6))))
    other = EvalResult("y", classes, None, _result("y", [50, 50]).cases)

    with pytest.raises(ConfigError, match="their classes differ"):
        _compare(x=[_result("x", [50, 50])], y=[other])


def test_what_cannot_be_tested_is_said() -> None:
    """One method, or one case, leaves a table without tests and a reason."""
    assert "only one method" in _compare(x=[_result("x", [50, 60])]).note
    alone = _compare(x=[_result("x", [50])], y=[_result("y", [60])])
    assert "fewer than 2 cases" in alone.note
    assert np.isnan(alone.methods[0].macro_interval).all()


@pytest.mark.parametrize("methods", [{}, {"x": []}], ids=["no method", "no evaluation"])
def test_nothing_to_compare_is_refused(methods: dict[str, list[EvalResult]]) -> None:
    """A table needs something in it."""
    with pytest.raises(ConfigError, match="evaluation to compare"):
        compare_methods(methods)


def test_record_is_plain_json() -> None:
    """Everything a report shows is in the file; the deviation of one seed is null."""
    comparison = _compare(x=[_result("x", [50, 60])], y=[_result("y", [60, 65])])

    record = json.loads(json.dumps(comparison.to_record(), allow_nan=False))

    assert record["methods"][0]["macro_dice"]["deviation"] is None
    assert record["tests"][0]["bootstrap_p_holm"] == record["tests"][0]["bootstrap_p"]
    assert set(record["methods"][0]["classes"]) == {"stroma", "gland"}


def test_evaluations_that_ignore_different_classes_are_refused() -> None:
    """Their means are over different classes."""
    one, other = _result("x", [60] * 4), _result("y", [50] * 4)

    with pytest.raises(ConfigError, match="not the same classes are left out of their means"):
        _compare(x=[one], y=[replace(other, unscored=(1,))])


def test_class_that_is_not_scored_is_left_out_of_a_comparison() -> None:
    """Macro Dice is that of the other class, for the methods and for their difference."""
    methods = {name: [replace(_result(name, [right] * 4), unscored=(1,))]
               for name, right in [("x", 60), ("y", 50)]}  # fmt: skip

    comparison = compare_methods(methods, num_draws=200)

    first = comparison.methods[0]
    assert first.overall["macro_dice"].mean == first.dice[0].mean == pytest.approx(0.6)
    assert np.isnan(first.dice[1].mean)
    assert comparison.tests[0].difference == pytest.approx(0.1)
    assert comparison.tests[0].case_difference == pytest.approx(0.1)
