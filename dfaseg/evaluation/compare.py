"""Methods side by side: classes and means over seeds, and which differences hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from dfaseg.errors import ConfigError
from dfaseg.evaluation.bootstrap import DEFAULT_LEVEL, percentile_ends
from dfaseg.evaluation.paired import (
    NUM_DRAWS,
    DrawnMethod,
    PairedTest,
    SeededCounts,
    compare_pair,
    draw_method,
    holm,
)
from dfaseg.evaluation.records import FloatArray, to_number, to_plain
from dfaseg.evaluation.results import EvalResult

OVERALL = (
    "macro_dice", "macro_iou", "worst_dice", "pixel_accuracy", "macro_precision", "macro_recall",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Spread:
    """A score over the seeds of a method.

    Attributes:
        mean: Mean over the seeds in which it is defined; NaN where it never is.
        deviation: Standard deviation (n - 1); NaN for fewer than two seeds.
        num_seeds: Seeds in which it is defined.
    """

    mean: float
    deviation: float
    num_seeds: int

    def to_record(self) -> dict[str, Any]:
        """Return a plain table for JSON."""
        return {
            "mean": to_number(self.mean),
            "deviation": to_number(self.deviation),
            "num_seeds": self.num_seeds,
        }


@dataclass(frozen=True, slots=True)
class MethodSummary:
    """One row of the table of methods.

    Attributes:
        name: The method.
        titles: Evaluations that were summed up, one per seed.
        overall: Scores over all classes, by name.
        dice: Dice of each class, in the order of the class map.
        macro_interval: Low and high end of macro Dice over draws of cases and seeds, ``(2,)``.
        dice_interval: The same of each class's Dice, ``(k, 2)``.
    """

    name: str
    titles: tuple[str, ...]
    overall: Mapping[str, Spread]
    dice: tuple[Spread, ...]
    macro_interval: FloatArray
    dice_interval: FloatArray

    def to_record(self, class_names: tuple[str, ...]) -> dict[str, Any]:
        """Return a plain table for JSON."""
        return {
            "name": self.name,
            "evaluations": list(self.titles),
            **{name: spread.to_record() for name, spread in self.overall.items()},
            "macro_dice_interval": to_plain(self.macro_interval),
            "classes": {
                name: {"dice": spread.to_record(), "dice_interval": to_plain(ends)}
                for name, spread, ends in zip(
                    class_names, self.dice, self.dice_interval, strict=True
                )
            },
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """All methods and all pairs of them that were compared.

    Attributes:
        class_names: Names in index order.
        methods: One summary per method, in the order given.
        tests: One per pair.
        wilcoxon_holm: Adjusted p-value of each test's ``wilcoxon_p``, ``(tests,)``.
        bootstrap_holm: Adjusted p-value of each test's ``bootstrap_p``, ``(tests,)``.
        note: Why there are no tests; empty where there are.
    """

    class_names: tuple[str, ...]
    methods: tuple[MethodSummary, ...]
    tests: tuple[PairedTest, ...]
    wilcoxon_holm: FloatArray
    bootstrap_holm: FloatArray
    note: str = ""

    def to_record(self) -> dict[str, Any]:
        """Return a plain table for JSON."""
        tests = zip(self.tests, self.wilcoxon_holm, self.bootstrap_holm, strict=True)
        return {
            "methods": [method.to_record(self.class_names) for method in self.methods],
            "tests": [
                test.to_record(self.class_names)
                | {"wilcoxon_p_holm": to_number(ranks), "bootstrap_p_holm": to_number(draws)}
                for test, ranks, draws in tests
            ],
            "note": self.note,
        }


def compare_methods(
    methods: Mapping[str, Sequence[EvalResult]],
    *,
    baseline: str | None = None,
    num_draws: int = NUM_DRAWS,
    level: float = DEFAULT_LEVEL,
    seed: int = 0,
) -> Comparison:
    """Compare methods that were scored on the same cases.

    Args:
        methods: The evaluations of each method, one per seed (``facts["seed"]``, where known).
        baseline: Compare only with this method; by default each pair is compared.
        num_draws: Draws of the bootstrap.
        level: Level of the intervals.
        seed: Of the bootstrap's draws.

    Raises:
        ConfigError: Classes or cases differ (they are named), or a method has no evaluation.
    """
    checked = _checked(methods)
    if baseline is not None and baseline not in methods:
        raise ConfigError(f"baseline '{baseline}': no such method; there are {', '.join(methods)}")
    drawn = {
        name: draw_method(_seeded(name, results), num_draws=num_draws, seed=seed)
        for name, results in methods.items()
    }
    pairs = list(combinations(methods, 2))
    if baseline is not None:
        pairs = [(name, baseline) for name in methods if name != baseline]
    note = _why_no_tests(checked, pairs)
    tested = [] if note else pairs
    tests = tuple(compare_pair(drawn[one], drawn[other], level=level) for one, other in tested)
    return Comparison(
        class_names=checked.class_map.names,
        methods=tuple(_summarise(methods[name], drawn[name], level) for name in methods),
        tests=tests,
        wilcoxon_holm=holm([test.wilcoxon_p for test in tests]),
        bootstrap_holm=holm([test.bootstrap_p for test in tests]),
        note=note,
    )


def _summarise(results: Sequence[EvalResult], drawn: DrawnMethod, level: float) -> MethodSummary:
    scores = [result.pooled() for result in results]
    ends = percentile_ends(drawn.drawn, level)
    if drawn.method.counts.shape[1] < 2:
        ends = np.full(ends.shape, np.nan)  # one case says nothing about others
    return MethodSummary(
        name=drawn.method.name,
        titles=tuple(result.title for result in results),
        overall={
            key: _spread(np.array([getattr(score, key) for score in scores])) for key in OVERALL
        },
        dice=tuple(_spread(column) for column in np.array([score.dice for score in scores]).T),
        macro_interval=ends[-1],
        dice_interval=ends[:-1],
    )


def _spread(values: FloatArray) -> Spread:
    defined = values[np.isfinite(values)]
    return Spread(
        mean=float(defined.mean()) if defined.size else float("nan"),
        deviation=float(defined.std(ddof=1)) if defined.size > 1 else float("nan"),
        num_seeds=int(defined.size),
    )


def _checked(methods: Mapping[str, Sequence[EvalResult]]) -> EvalResult:
    """Return the first evaluation, after whose classes and cases all others must go."""
    for name, results in methods.items():
        if not results:
            raise ConfigError(f"method '{name}': has no evaluation to compare")
    everything = [result for results in methods.values() for result in results]
    if not everything:
        raise ConfigError("comparison: there is no evaluation to compare")
    first = everything[0]
    for other in everything[1:]:
        _check_same(first, other)
    return first


def _check_same(first: EvalResult, other: EvalResult) -> None:
    if first.class_map.names != other.class_map.names:
        raise ConfigError(
            f"evaluations '{first.title}' and '{other.title}': their classes differ "
            f"({', '.join(first.class_map.names)}; {', '.join(other.class_map.names)})"
        )
    if first.unscored != other.unscored:
        raise ConfigError(
            f"evaluations '{first.title}' and '{other.title}': not the same classes are left out of"
            " their means; evaluate both with the same --ignore"
        )
    here, there = first.by_case().keys(), other.by_case().keys()
    if here != there:
        raise ConfigError(
            f"evaluations '{first.title}' and '{other.title}': their cases differ; only in the "
            f"first: {_listed(here - there)}; only in the second: {_listed(there - here)}"
        )


def _listed(names: set[str]) -> str:
    shown = sorted(names)[:5]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return ", ".join(shown) + more if shown else "none"


def _seeded(name: str, results: Sequence[EvalResult]) -> SeededCounts:
    known = [seed for result in results if isinstance(seed := result.facts.get("seed"), int)]
    is_known = len(set(known)) == len(results)
    order = np.argsort(known, kind="stable") if is_known else np.arange(len(results))
    by_case = [results[index].by_case() for index in order]
    cases = sorted(by_case[0])
    return SeededCounts(
        name=name,
        counts=np.array([[counts[case] for case in cases] for counts in by_case]),
        seeds=tuple(sorted(known)) if is_known else None,
        unscored=results[0].unscored,
    )


def _why_no_tests(first: EvalResult, pairs: Sequence[tuple[str, str]]) -> str:
    if not pairs:
        return "there is only one method, so nothing was tested"
    if len(first.by_case()) < 2:
        return "there are fewer than 2 cases, so nothing was tested"
    return ""
