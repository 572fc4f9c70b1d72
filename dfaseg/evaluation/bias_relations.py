"""What the learned class bias goes with over the classes: difficulty, or frequency."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from dfaseg.evaluation.methods import Method
from dfaseg.evaluation.records import FloatArray, to_number
from dfaseg.model.class_bias import BIAS_RULES
from dfaseg.model.prior import class_log_prior, warm_start

Measured = Literal["delta", "change"]
Against = Literal["baseline_dice", "log_frequency"]

MIN_CLASSES = 3
"""Two classes lie on a line whatever they are."""
_MOST_EXACT = 8
"""Classes whose every order is tried, 40320 for eight."""
_NO_BIAS = "none"


@dataclass(frozen=True, slots=True)
class Correlation:
    """How two numbers of each class go together.

    Attributes:
        num_classes: Classes that have both.
        pearson: Pearson's correlation; NaN for less than three classes or equal numbers.
        spearman: Spearman's correlation of ranks; NaN as well.
        spearman_p: Two-sided p-value of Spearman's, exact up to eight classes.
    """

    num_classes: int
    pearson: float
    spearman: float
    spearman_p: float

    def to_record(self) -> dict[str, Any]:
        """Return a plain table for JSON."""
        return {
            "num_classes": self.num_classes,
            "pearson": to_number(self.pearson),
            "spearman": to_number(self.spearman),
            "spearman_p": to_number(self.spearman_p),
        }


@dataclass(frozen=True, slots=True)
class BiasRelation:
    """What the bias that a method learned goes with.

    Attributes:
        method: Name of the method.
        measured: delta, or how far training moved it from a warm start that is not zero.
        against: Dice of the method without class bias, or the logarithm of the pixel frequency.
        baseline: Name of the method whose Dice it is; empty for frequency.
        by_seed: One per run of the method, in the order of its runs.
        of_means: Of the means over seeds. Seeds repeat the same classes, so n stays their number.
    """

    method: str
    measured: Measured
    against: Against
    baseline: str
    by_seed: tuple[Correlation, ...]
    of_means: Correlation

    def to_record(self) -> dict[str, Any]:
        """Return a plain table for JSON."""
        return {
            "method": self.method,
            "measured": self.measured,
            "against": self.against,
            "baseline": self.baseline or None,
            "by_seed": [entry.to_record() for entry in self.by_seed],
            "of_means": self.of_means.to_record(),
        }


def relate_bias(methods: Sequence[Method]) -> tuple[BiasRelation, ...]:
    """Relate what each method learned to the Dice of a method without bias and to frequency."""
    return tuple(
        relation
        for method in methods
        for measured, values in _learned(method).items()
        for relation in _relations(method, measured, values, methods)
    )


def baseline_of(method: Method, methods: Sequence[Method]) -> Method | None:
    """Return the method without class bias that shares most settings with this one."""
    plain = [other for other in methods if other.settings.get("bias.mode") == _NO_BIAS]
    if not plain:
        return None
    return max(plain, key=lambda other: _num_shared(other, method))


def baseline_dice(method: Method, baseline: Method) -> FloatArray:
    """Return the Dice that a baseline has with the seed of each run of a method, ``(runs, k)``.

    Where it was not trained with that seed, its mean over all seeds stands in.
    """
    dice = baseline.dice()
    place = {seed: index for index, seed in enumerate(baseline.seeds) if seed is not None}
    return np.stack([
        dice[place[seed]] if seed in place else dice.mean(axis=0) for seed in method.seeds
    ])  # fmt: skip


def correlate(first: FloatArray, second: FloatArray) -> Correlation:
    """Correlate two numbers of each class.

    Args:
        first: One per class, ``(k,)``; classes where either is not finite are left out.
        second: The other.
    """
    keep = np.isfinite(first) & np.isfinite(second)
    x, y = first[keep], second[keep]
    if len(x) < MIN_CLASSES or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Correlation(len(x), np.nan, np.nan, np.nan)
    ranks = stats.rankdata(x), stats.rankdata(y)
    spearman = float(np.corrcoef(*ranks)[0, 1])
    p_value = _exact_p(*ranks) if len(x) <= _MOST_EXACT else float(stats.spearmanr(x, y).pvalue)
    return Correlation(len(x), float(np.corrcoef(x, y)[0, 1]), spearman, p_value)


def _learned(method: Method) -> Mapping[Measured, FloatArray]:
    """Return delta minus its mean, and what training added to the warm start, ``(runs, k)``."""
    delta = method.delta()
    if delta is None:
        return {}
    start = _warm_start(method)
    return {"delta": delta} if start is None else {"delta": delta, "change": delta - start}


def _warm_start(method: Method) -> FloatArray | None:
    """Return delta0 minus its mean, ``(runs, k)``; None where delta began at zero."""
    settings = method.settings
    rule = BIAS_RULES.get(settings.get("bias.mode", _NO_BIAS))
    frequencies: list[Any] = [run.result.facts.get("frequencies") for run in method.runs]
    if rule is None or not rule.starts_warm or not all(frequencies):
        return None
    if not {"bias.prior", "bias.gamma", "bias.alpha"} <= settings.keys():
        return None
    starts = []
    for shares in frequencies:
        prior = class_log_prior(settings["bias.prior"], shares, gamma=settings["bias.gamma"])
        starts.append(warm_start(prior, shares, settings["bias.alpha"]).double().numpy())
    found = np.stack(starts)
    centred: FloatArray = found - found.mean(axis=1, keepdims=True)
    return centred


def _relations(
    method: Method, measured: Measured, values: FloatArray, methods: Sequence[Method]
) -> list[BiasRelation]:
    found = []
    baseline = baseline_of(method, methods)
    if baseline is not None:
        dice = baseline_dice(method, baseline)
        found.append(_relation(method, measured, values, "baseline_dice", dice, baseline.name))
    shares = [run.result.facts.get("frequencies") for run in method.runs]
    if all(shares):
        frequencies = np.array(shares, np.float64)
        logs = np.full(frequencies.shape, np.nan)
        np.log10(frequencies, out=logs, where=frequencies > 0)
        found.append(_relation(method, measured, values, "log_frequency", logs, ""))
    return found


def _relation(
    method: Method,
    measured: Measured,
    values: FloatArray,
    against: Against,
    others: FloatArray,
    baseline: str,
) -> BiasRelation:
    by_seed = tuple(correlate(*pair) for pair in zip(values, others, strict=True))
    of_means = correlate(values.mean(axis=0), others.mean(axis=0))
    return BiasRelation(method.name, measured, against, baseline, by_seed, of_means)


def _num_shared(first: Method, second: Method) -> int:
    """Return how many settings two methods have in common."""
    return sum(second.settings.get(name) == value for name, value in first.settings.items())


def _exact_p(first: FloatArray, second: FloatArray) -> float:
    """Return the share of all orders of the classes with ranks at least as strongly related."""
    products = second[_orders(len(first))] @ first
    centre = len(first) * first.mean() * second.mean()
    # Ranks are halves of whole numbers: what is equal differs by rounding only.
    is_as_strong = np.abs(products - centre) >= abs(first @ second - centre) - 1e-9
    return float(is_as_strong.mean())


@lru_cache(maxsize=_MOST_EXACT)
def _orders(number: int) -> NDArray[np.int64]:
    return np.array(list(permutations(range(number))), np.int64)
