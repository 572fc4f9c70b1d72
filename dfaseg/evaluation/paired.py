"""Paired tests over cases: is one method better than another, and by how much."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from dfaseg.errors import ConfigError
from dfaseg.evaluation.bootstrap import draw_weights, percentile_ends
from dfaseg.evaluation.records import CountArray, FloatArray, to_number, to_plain
from dfaseg.evaluation.stacks import mean_defined, stack_scores

NUM_DRAWS = 10_000
"""Draws of a comparison: corrected for 55 pairs, p-values below 0.05 must still be possible."""

_MAX_FLIPPED = 13
"""Differences whose signs are all flipped in every way, as SciPy does where some are equal."""
_SEED_STREAM = 1
"""Set apart from the draws of cases, so that seeds are drawn independently of them."""


@dataclass(frozen=True, slots=True)
class PairedTest:
    """Method A against method B on the same cases; positive differences speak for A.

    Attributes:
        first: Name of method A.
        second: Name of method B.
        num_cases: Cases on which both were scored.
        difference: Pooled macro Dice of A minus that of B, each the mean over its seeds.
        interval: Low and high end of the difference, ``(2,)``, over draws of cases and of seeds.
        bootstrap_p: Two-sided p-value of the same draws.
        case_difference: Mean over cases of the difference in the case's own macro Dice.
        wilcoxon_p: Two-sided p-value of the signed-rank test on these.
        rank_biserial: Matched-pairs rank-biserial correlation of these, -1 to 1: share of rank
            sums that speaks for A minus the share that speaks for B.
        class_difference: Pooled Dice of each class, A minus B, ``(k,)``.
        class_interval: Low and high end of each, ``(k, 2)``.
        seed_differences: A minus B for each seed that both were trained with; empty where there
            is none, or seeds are not known.
    """

    first: str
    second: str
    num_cases: int
    difference: float
    interval: FloatArray
    bootstrap_p: float
    case_difference: float
    wilcoxon_p: float
    rank_biserial: float
    class_difference: FloatArray
    class_interval: FloatArray
    seed_differences: tuple[float, ...]

    def to_record(self, class_names: tuple[str, ...]) -> dict[str, Any]:
        """Return a plain table for JSON."""
        numbers = (
            "difference", "bootstrap_p", "case_difference", "wilcoxon_p", "rank_biserial",
        )  # fmt: skip
        record: dict[str, Any] = {
            "first": self.first, "second": self.second, "num_cases": self.num_cases,
        }  # fmt: skip
        record |= {name: to_number(getattr(self, name)) for name in numbers}
        record["interval"] = to_plain(self.interval)
        record["seed_differences"] = list(self.seed_differences)
        record["classes"] = {
            name: {
                "difference": to_number(float(self.class_difference[index])),
                "interval": to_plain(self.class_interval[index]),
            }
            for index, name in enumerate(class_names)
        }
        return record


@dataclass(frozen=True, slots=True)
class SeededCounts:
    """What one method scored, over all its seeds.

    Attributes:
        name: The method.
        counts: Counts by seed and case, int64 ``(seeds, cases, k, k)``; cases in the same order
            for all methods that are compared.
        seeds: Seed of each run, where known.
        unscored: Classes without scores of their own, as in ``compute_scores``.
    """

    name: str
    counts: CountArray
    seeds: tuple[int, ...] | None
    unscored: tuple[int, ...] = ()

    def case_dice(self) -> FloatArray:
        """Return the macro Dice of each case, mean over the seeds, ``(cases,)``."""
        num_seeds, num_cases, *square = self.counts.shape
        scores = stack_scores(self.counts.reshape(-1, *square), self.unscored)
        return mean_defined(scores.macro_dice.reshape(num_seeds, num_cases).T)


@dataclass(frozen=True, slots=True)
class DrawnMethod:
    """A method whose cases and seeds were drawn again many times.

    Attributes:
        method: What was drawn from.
        observed: Dice of each class and then macro Dice, of each seed, ``(seeds, k + 1)``.
        drawn: The same in each draw of cases, mean over the seeds drawn, ``(draws, k + 1)``.
    """

    method: SeededCounts
    observed: FloatArray
    drawn: FloatArray


def draw_method(method: SeededCounts, *, num_draws: int = NUM_DRAWS, seed: int = 0) -> DrawnMethod:
    """Draw cases and seeds of a method with replacement.

    Methods drawn with the same seed get the same cases in each draw, and those with as many seeds
    the same places among them: what is common to both cancels in their difference.
    """
    num_seeds, num_cases = method.counts.shape[:2]
    blocks = [
        _pooled_dice(method, weights)
        for weights in draw_weights(num_cases, num_resamples=num_draws, seed=seed)
    ]
    by_seed = np.concatenate(blocks)
    generator = np.random.default_rng([seed, _SEED_STREAM, num_seeds])
    chosen = generator.integers(0, num_seeds, (num_draws, num_seeds))
    picked = np.take_along_axis(by_seed, chosen[:, :, None], axis=1)
    return DrawnMethod(
        method=method,
        observed=_pooled_dice(method, np.ones((1, num_cases)))[0],
        drawn=mean_defined(picked.transpose(0, 2, 1)),
    )


def compare_pair(first: DrawnMethod, second: DrawnMethod, *, level: float) -> PairedTest:
    """Compare two methods that were scored on the same cases and drawn with the same seed.

    Raises:
        ConfigError: There are fewer than two cases, or not the same number.
    """
    one, other = first.method, second.method
    num_cases = one.counts.shape[1]
    if num_cases < 2 or other.counts.shape[1] != num_cases:
        raise ConfigError(
            f"'{one.name}' and '{other.name}': a paired test needs the same cases, at least 2; "
            f"there are {num_cases} and {other.counts.shape[1]}"
        )
    observed = mean_defined(first.observed.T) - mean_defined(second.observed.T)
    draws = first.drawn - second.drawn
    between = one.case_dice() - other.case_dice()
    wilcoxon_p, rank_biserial = signed_ranks(between)
    return PairedTest(
        first=one.name,
        second=other.name,
        num_cases=num_cases,
        difference=float(observed[-1]),
        interval=percentile_ends(draws[:, -1], level),
        bootstrap_p=_two_sided(draws[:, -1]),
        case_difference=float(mean_defined(between)),
        wilcoxon_p=wilcoxon_p,
        rank_biserial=rank_biserial,
        class_difference=observed[:-1],
        class_interval=percentile_ends(draws[:, :-1], level),
        seed_differences=_by_seed(first, second),
    )


def _by_seed(first: DrawnMethod, second: DrawnMethod) -> tuple[float, ...]:
    """Return the difference of macro Dice for each seed of both, in the order of the seeds."""
    scores = [
        dict(zip(drawn.method.seeds or (), drawn.observed[:, -1].tolist(), strict=False))
        for drawn in (first, second)
    ]
    shared = sorted(scores[0].keys() & scores[1].keys())
    return tuple(scores[0][seed] - scores[1][seed] for seed in shared)


def signed_ranks(differences: FloatArray) -> tuple[float, float]:
    """Return the p-value of Wilcoxon's signed-rank test and the rank-biserial correlation.

    Zeros are left out before ranking, as Wilcoxon did; undefined differences too. The correlation
    is that of Kerby 2014: (rank sum for - rank sum against) / total. Without any difference p is 1
    and the correlation 0.
    """
    # Equal scores that were summed in another order differ in the last digits only.
    rounded = np.round(differences, 12)
    nonzero = rounded[np.isfinite(rounded) & (rounded != 0)]
    if not nonzero.size:
        return 1.0, 0.0
    ranks = stats.rankdata(np.abs(nonzero))
    in_favour = ranks[nonzero > 0].sum()
    return _signed_rank_p(nonzero, ranks), float(2 * in_favour / ranks.sum() - 1)


def _signed_rank_p(differences: FloatArray, ranks: FloatArray) -> float:
    """Return what ``stats.wilcoxon`` does, which ranks few cases anew for each way to flip them."""
    if not 1 < len(differences) <= _MAX_FLIPPED:
        return float(stats.wilcoxon(differences).pvalue)
    flipped = stats.permutation_test(
        (differences,),
        lambda values, axis: np.sum(ranks * (values > 0), axis=axis),
        permutation_type="samples",
        n_resamples=np.inf,
        vectorized=True,
    )
    return float(flipped.pvalue)


def holm(p_values: Sequence[float]) -> FloatArray:
    """Return p-values adjusted for their number by Holm's step-down method (Holm 1979).

    The chance of even one false finding among all of them stays below the level that adjusted
    values are held against.

    Args:
        p_values: One per comparison; NaN is not counted and stays NaN.
    """
    values = np.array(p_values, np.float64)
    adjusted = np.full(values.shape, np.nan)
    places = np.flatnonzero(np.isfinite(values))
    order = places[np.argsort(values[places], kind="stable")]
    stepped = values[order] * np.arange(len(order), 0, -1)
    # No p-value may be smaller after adjusting than one that was smaller before.
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1) if len(order) else stepped
    return adjusted


def _pooled_dice(method: SeededCounts, weights: FloatArray) -> FloatArray:
    """Return Dice of each class and macro Dice of weighted cases, ``(n, seeds, k + 1)``."""
    num_seeds, num_cases, *square = method.counts.shape
    flat = method.counts.astype(np.float64).transpose(1, 0, 2, 3).reshape(num_cases, -1)
    scores = stack_scores((weights @ flat).reshape(-1, *square), method.unscored)
    joined = np.concatenate([scores.dice, scores.macro_dice[:, None]], axis=1)
    return joined.reshape(len(weights), num_seeds, -1)


def _two_sided(draws: FloatArray) -> float:
    """Return twice the share of draws on the rarer side of zero, never zero itself."""
    defined = draws[np.isfinite(draws)]
    if not defined.size:
        return float("nan")
    # Plus one: as many draws can never prove that nothing lies beyond them.
    rarer = min((defined <= 0).sum(), (defined >= 0).sum()) + 1
    return float(min(1.0, 2 * rarer / (defined.size + 1)))
