"""Differences are signed, sorted and corrected; all figures are worked out by hand."""

import numpy as np
import pytest

from dfaseg.classmap import ClassMap, TissueClass
from dfaseg.evaluation.compare import Comparison, compare_methods
from dfaseg.evaluation.differences import all_differences, can_find, differences_from
from dfaseg.evaluation.results import CaseResult, EvalResult

CLASSES = ClassMap((TissueClass(0, "stroma", (1, 2, 3)), TissueClass(1, "gland", (4, 5, 6))))
GAINS = {"base": np.zeros(8, int), "good": np.arange(1, 9), "mixed": np.array([-3, 1] * 4)}


def compared(**gains: np.ndarray) -> Comparison:
    """Compare methods that find so many more of 100 true pixels of each class in each case."""
    methods = {}
    for name, gain in (gains or GAINS).items():
        right = 50 + gain
        cases = [
            CaseResult(str(case), str(case), np.array([[r, 100 - r], [100 - r, r]]))
            for case, r in enumerate(right)
        ]
        methods[name] = [EvalResult(name, CLASSES, None, tuple(cases), {"seed": 4})]
    return compare_methods(methods, num_draws=1000)


def test_pairs_are_turned_so_that_the_higher_stands_first() -> None:
    """Means of 4.5 and −1 points more than the base make differences of 5.5, 4.5 and 1 points."""
    found = all_differences(compared())

    assert [(entry.first, entry.second) for entry in found] == [
        ("good", "mixed"), ("good", "base"), ("base", "mixed"),
    ]  # fmt: skip
    assert [entry.estimate.value for entry in found] == pytest.approx([0.055, 0.045, 0.01])
    assert all(entry.estimate.low <= entry.estimate.value <= entry.estimate.high for entry in found)
    assert found[1].by_seed == pytest.approx((0.045,))


def test_turned_pair_keeps_its_interval_around_the_difference() -> None:
    """Base minus good has the ends of good minus base, with the other sign and order."""
    tests = compared()
    (gain,) = [entry for entry in differences_from(tests, "base") if entry.first == "good"]
    (loss,) = [entry for entry in differences_from(tests, "good") if entry.first == "base"]

    assert loss.estimate.value == pytest.approx(-gain.estimate.value)
    assert (loss.estimate.low, loss.estimate.high) == pytest.approx(
        (-gain.estimate.high, -gain.estimate.low)
    )
    assert loss.effect == -gain.effect == -1
    assert loss.by_seed == pytest.approx((-0.045,))


def test_reference_is_corrected_for_its_own_tests_only() -> None:
    """All 8 cases gain: p = 2 / 2^8, times 3 among all pairs, times 2 against the base.

    Of the mixed method, |differences| are 1 four times (mean rank 2.5) and 3 four times (6.5): the
    sum of ranks for it is 10 of 36.
    """
    tests = compared()

    (of_all,) = [entry for entry in all_differences(tests)
                 if {entry.first, entry.second} == {"good", "base"}]  # fmt: skip
    good, mixed = differences_from(tests, "base")

    assert of_all.p_ranks == pytest.approx(3 * 2 / 2**8)
    assert good.p_ranks == pytest.approx(2 * 2 / 2**8)
    assert good.p_bootstrap == pytest.approx(2 * 2 / 1001)
    assert (good.first, good.second, good.effect) == ("good", "base", 1)
    assert good.is_beyond_chance
    assert mixed.effect == pytest.approx((10 - 26) / 36)
    assert not mixed.is_beyond_chance


@pytest.mark.parametrize(
    ("num_cases", "num_tests", "expected"),
    [(5, 1, False), (6, 1, True), (6, 2, False), (9, 12, True), (9, 13, False), (55, 66, True)],
)
def test_few_cases_cannot_show_any_difference(
    num_cases: int, num_tests: int, expected: bool
) -> None:
    """Six cases give 2 / 64 = 0.031 at best, five 0.0625; nine give 0.0039, times 13 is 0.051."""
    assert can_find(num_cases, num_tests) is expected
