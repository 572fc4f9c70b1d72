"""Which methods differ: paired tests sorted, signed and corrected for how many were looked at."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dfaseg.evaluation.compare import Comparison
from dfaseg.evaluation.estimate import Estimate
from dfaseg.evaluation.paired import PairedTest, holm
from dfaseg.evaluation.records import to_number

LEVEL = 0.05
"""Corrected p-values below this count as beyond chance."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Two methods on the same cases.

    Attributes:
        first: Name of a method.
        second: Name of the other.
        estimate: Macro Dice of the first minus that of the second.
        effect: Rank-biserial correlation over the cases: 1 where the first wins them all.
        p_bootstrap: p-value of the paired bootstrap, corrected by Holm for all tests beside it.
        p_ranks: p-value of Wilcoxon's signed-rank test over cases, corrected as well.
        by_seed: Difference for each seed that both were trained with; empty where there is none.
    """

    first: str
    second: str
    estimate: Estimate
    effect: float
    p_bootstrap: float
    p_ranks: float
    by_seed: tuple[float, ...] = ()

    @property
    def is_beyond_chance(self) -> bool:
        """Whether both tests say so."""
        return self.p_bootstrap < LEVEL and self.p_ranks < LEVEL

    def to_record(self) -> dict[str, Any]:
        """Return a plain table for JSON."""
        return {
            "first": self.first,
            "second": self.second,
            "difference": self.estimate.to_record(),
            "rank_biserial": to_number(self.effect),
            "bootstrap_p_holm": to_number(self.p_bootstrap),
            "wilcoxon_p_holm": to_number(self.p_ranks),
            "seed_differences": list(self.by_seed),
            "is_beyond_chance": self.is_beyond_chance,
        }


def all_differences(tests: Comparison) -> tuple[Difference, ...]:
    """Return every tested pair with the higher method first, the largest difference first."""
    found = [
        _signed(test, float(draws), float(ranks), is_turned=test.difference < 0)
        for test, draws, ranks in zip(
            tests.tests, tests.bootstrap_holm, tests.wilcoxon_holm, strict=True
        )
    ]
    return _sorted(found)


def differences_from(tests: Comparison, reference: str) -> tuple[Difference, ...]:
    """Return every other method minus the reference, the largest gain first.

    These are the same tests as of all pairs, but corrected for their own, smaller number: that is
    right only if the reference was chosen before anybody looked at the scores.
    """
    own = [test for test in tests.tests if reference in {test.first, test.second}]
    draws, ranks = (holm([getattr(test, name) for test in own])
                    for name in ("bootstrap_p", "wilcoxon_p"))  # fmt: skip
    return _sorted([
        _signed(test, float(p_draws), float(p_ranks), is_turned=test.first == reference)
        for test, p_draws, p_ranks in zip(own, draws, ranks, strict=True)
    ])  # fmt: skip


def can_find(num_cases: int, num_tests: int) -> bool:
    """Tell whether a difference could count as beyond chance at all.

    All of n cases agree by chance in 2 of 2^n outcomes: no signed-rank test gives a smaller p, and
    the smallest one is multiplied by the number of tests.
    """
    return num_tests * smallest_rank_p(num_cases) < LEVEL


def smallest_rank_p(num_cases: int) -> float:
    """Return the smallest two-sided p-value of a signed-rank test of so many cases."""
    return float(2.0 ** (1 - num_cases))


def _sorted(found: Sequence[Difference]) -> tuple[Difference, ...]:
    return tuple(sorted(found, key=lambda entry: -entry.estimate.value))


def _signed(test: PairedTest, p_draws: float, p_ranks: float, *, is_turned: bool) -> Difference:
    """Return the first method minus the second, or the other way round."""
    sign = -1.0 if is_turned else 1.0
    names = (test.second, test.first) if is_turned else (test.first, test.second)
    low, high = sorted(sign * float(end) for end in test.interval)
    return Difference(
        *names,
        Estimate(sign * test.difference, low, high),
        sign * test.rank_biserial,
        p_draws,
        p_ranks,
        tuple(sign * value for value in test.seed_differences),
    )
