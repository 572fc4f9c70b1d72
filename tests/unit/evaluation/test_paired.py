"""Paired tests find what is there and do not find what is not."""

import numpy as np
import pytest
from scipy import stats

from dfaseg.errors import ConfigError
from dfaseg.evaluation.paired import (
    PairedTest,
    SeededCounts,
    compare_pair,
    draw_method,
    holm,
    signed_ranks,
)


def _method(name: str, right: np.ndarray, seeds: tuple[int, ...] | None = None) -> SeededCounts:
    """Two classes of 100 true pixels each, ``right`` of each found, by seed and case."""
    counts = np.zeros((*right.shape, 2, 2), np.int64)
    counts[..., 0, 0] = counts[..., 1, 1] = right
    counts[..., 0, 1] = counts[..., 1, 0] = 100 - right
    return SeededCounts(name, counts, seeds)


def _compared(first: SeededCounts, second: SeededCounts, num_draws: int = 500) -> PairedTest:
    drawn = [draw_method(method, num_draws=num_draws) for method in (first, second)]
    return compare_pair(drawn[0], drawn[1], level=0.95)


def _hard_and_easy(number: int = 20, num_seeds: int = 2) -> np.ndarray:
    return np.random.default_rng(0).integers(30, 90, (num_seeds, number))


def test_steady_gain_is_found_though_cases_differ_widely() -> None:
    """Two points more in every case are far beyond chance: what makes cases hard cancels."""
    base = _hard_and_easy()
    test = _compared(_method("a", base + 2, (1, 2)), _method("b", base, (1, 2)))

    assert test.difference == pytest.approx(0.02)
    assert test.interval == pytest.approx([0.02, 0.02])
    assert test.class_difference == pytest.approx([0.02, 0.02])
    assert test.bootstrap_p == pytest.approx(2 / 501)
    assert test.wilcoxon_p < 0.001
    assert test.rank_biserial == 1
    assert test.seed_differences == pytest.approx((0.02, 0.02))


def test_equal_methods_do_not_differ() -> None:
    """A method against itself has no difference and p-values of one."""
    test = _compared(_method("a", _hard_and_easy()), _method("b", _hard_and_easy()))

    assert (test.difference, test.bootstrap_p, test.wilcoxon_p, test.rank_biserial) == (0, 1, 1, 0)
    assert test.seed_differences == ()


def test_swapped_methods_turn_all_signs() -> None:
    """A against B says the opposite of B against A, with the same certainty."""
    one = _method("a", _hard_and_easy())
    other = _method("b", np.random.default_rng(5).integers(30, 90, (2, 20)))

    there, back = _compared(one, other), _compared(other, one)

    assert back.difference == pytest.approx(-there.difference)
    assert back.interval == pytest.approx(-there.interval[::-1])
    assert back.rank_biserial == pytest.approx(-there.rank_biserial)
    assert (back.bootstrap_p, back.wilcoxon_p) == pytest.approx(
        (there.bootstrap_p, there.wilcoxon_p)
    )


def test_seeds_that_disagree_widen_the_interval() -> None:
    """A gain in one seed and a loss in the other is no difference, however many cases agree."""
    base = np.full((2, 30), 60)
    swing = base + np.array([[10], [-9]])

    test = _compared(_method("a", swing, (1, 2)), _method("b", base, (1, 2)))

    assert test.difference == pytest.approx(0.005)
    assert test.interval[0] < -0.05 < 0.05 < test.interval[1]
    assert test.bootstrap_p > 0.3


def test_seeds_that_only_one_has_are_not_compared() -> None:
    """Of seeds 1 and 2 against 2 and 3, one difference is left."""
    one = _method("a", np.array([[60, 70], [80, 80]]), (1, 2))
    other = _method("b", np.array([[75, 75], [10, 20]]), (2, 3))

    assert _compared(one, other, 20).seed_differences == pytest.approx((0.05,))


def test_bootstrap_equals_all_draws_written_out() -> None:
    """Two cases, gains of 2 and −1 points: of 4 draws one gives 2, two 0.5 and one −1 points.

    A quarter of the draws lies on the other side of zero, so p is half; the interval reaches from
    the worst to the best draw.
    """
    base = np.full((1, 2), 50)

    test = _compared(_method("a", base + np.array([[2, -1]])), _method("b", base), 8000)

    assert test.difference == pytest.approx(0.005)
    assert test.interval == pytest.approx([-0.01, 0.02])
    assert test.bootstrap_p == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("num_cases", [1, 2, 5, 9, 13, 14])
@pytest.mark.parametrize("has_ties", [False, True])
def test_signed_ranks_give_the_p_value_of_scipy(num_cases: int, has_ties: bool) -> None:
    """Few cases are flipped all at once, with the same result."""
    differences = np.random.default_rng(num_cases).normal(0.3, 1, num_cases)
    if has_ties:
        differences = np.where(differences < 0, -0.5, np.round(differences) + 0.5)

    found, _ = signed_ranks(differences)

    assert found == pytest.approx(stats.wilcoxon(differences).pvalue, rel=1e-12)


def test_wilcoxon_equals_that_worked_out_by_hand() -> None:
    """Five gains 1 to 5 of which 1 is a loss: rank sums 14 and 1; 4 of 32 sign patterns are as far.

    A sum of 1 or less on either side: no loss, or the smallest alone, and the same of gains.
    """
    p_value, correlation = signed_ranks(np.array([-1.0, 2, 3, 4, 5]))

    assert p_value == pytest.approx(4 / 32)
    assert correlation == pytest.approx((14 - 1) / 15)


def test_one_case_cannot_be_tested() -> None:
    """A pair needs cases that could have come out otherwise."""
    one = _method("a", _hard_and_easy(1))
    with pytest.raises(ConfigError, match="'a' and 'b': a paired test needs the same cases"):
        _compared(one, _method("b", _hard_and_easy(1)), 5)


def test_rank_biserial_equals_that_worked_out_by_hand() -> None:
    """Ranks 1, 2.5, 2.5 and 4 of four differences; the zero and the undefined are left out."""
    differences = np.array([0.1, -0.2, 0.2, 0.5, 0.0, np.nan])

    p_value, correlation = signed_ranks(differences)

    assert correlation == pytest.approx((1 + 2.5 + 4 - 2.5) / 10)
    assert p_value == pytest.approx(stats.wilcoxon(differences[:4]).pvalue)


def test_holm_equals_that_worked_out_by_hand() -> None:
    """The smallest is multiplied by their number, each next by one less, and order is kept."""
    adjusted = holm([0.01, 0.04, np.nan, 0.03, 0.005])

    assert adjusted == pytest.approx([0.03, 0.06, np.nan, 0.06, 0.02], nan_ok=True)


def test_holm_never_exceeds_one_and_takes_nothing() -> None:
    """Probabilities stay probabilities; without a test there is nothing to adjust."""
    assert holm([0.7, 0.9]).tolist() == [1, 1]
    assert holm([]).size == 0


def test_undefined_is_null_in_the_record() -> None:
    """A class that no case holds has no difference, and JSON no NaN."""
    counts = np.zeros((1, 3, 3, 3), np.int64)
    counts[..., 0, 0] = 5
    method = SeededCounts("a", counts, (1,))

    record = _compared(method, method, 20).to_record(("x", "y", "z"))

    assert record["classes"]["y"] == {"difference": None, "interval": [None, None]}
    assert record["classes"]["x"]["difference"] == 0
