"""Finished runs side by side: means and spread over seeds, and which differences hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dfaseg.classmap import ClassMap
from dfaseg.errors import ConfigError
from dfaseg.evaluation.compare import Comparison, MethodSummary, compare_methods
from dfaseg.evaluation.methods import Method, group_runs
from dfaseg.evaluation.paired import NUM_DRAWS, PairedTest
from dfaseg.evaluation.records import to_number, to_plain
from dfaseg.evaluation.runs import Run
from dfaseg.evaluation.summary import FEW_CASES, Estimate
from dfaseg.evaluation.wording import count

FORMAT = "dfaseg-comparison-1"
ENOUGH_SEEDS = 3
"""With fewer, runs rather than methods are compared."""
LEVEL = 0.05
"""Corrected p-values below this count as beyond chance."""


@dataclass(frozen=True, slots=True)
class Row:
    """One method in the table.

    Attributes:
        method: The method.
        macro: Macro Dice: mean over its runs, and its interval over cases and seeds.
        spread: Standard deviation of macro Dice over its runs; NaN for one.
    """

    method: Method
    macro: Estimate
    spread: float


@dataclass(frozen=True, slots=True)
class Difference:
    """Two methods on the same cases.

    Attributes:
        first: Name of the method with the higher macro Dice.
        second: Name of the other.
        estimate: Macro Dice of the first minus that of the second.
        effect: Rank-biserial correlation over the cases: 1 where the first wins them all.
        p_bootstrap: p-value of the paired bootstrap, after Holm's correction for all pairs.
        p_ranks: p-value of Wilcoxon's signed-rank test over cases, corrected as well.
    """

    first: str
    second: str
    estimate: Estimate
    effect: float
    p_bootstrap: float
    p_ranks: float

    @property
    def is_beyond_chance(self) -> bool:
        """Whether both tests say so."""
        return self.p_bootstrap < LEVEL and self.p_ranks < LEVEL


@dataclass(frozen=True, slots=True)
class RunComparison:
    """Methods on the same cases.

    Attributes:
        title: What is compared.
        class_map: Classes of all runs.
        rows: Methods, the best first.
        differences: Every pair of methods, the largest difference first.
        tests: What was computed of methods and pairs, in full.
        num_cases: Cases they were scored on.
        notes: What a reader must know.
    """

    title: str
    class_map: ClassMap
    rows: tuple[Row, ...]
    differences: tuple[Difference, ...]
    tests: Comparison
    num_cases: int
    notes: tuple[str, ...]

    def to_record(self) -> dict[str, Any]:
        """Return a plain table for JSON."""
        names = self.class_map.names
        return {
            "format": FORMAT,
            "title": self.title,
            "classes": self.class_map.to_records(),
            "num_cases": self.num_cases,
            "methods": [_row_record(row, names) for row in self.rows],
            "comparison": self.tests.to_record(),
            "notes": list(self.notes),
        }


def compare_runs(runs: Sequence[Run], *, seed: int = 0) -> RunComparison:
    """Compare runs that were scored on the same cases.

    Args:
        runs: Two at least.
        seed: Origin of the bootstrap's draws.

    Raises:
        ConfigError: There are less than two runs, or classes or cases differ.
    """
    if len(runs) < 2:
        raise ConfigError("comparison: give the folders of at least two runs")
    _require_same_truth(runs)
    methods = group_runs(runs)
    results = {method.name: [run.result for run in method.runs] for method in methods}
    tests = compare_methods(results, seed=seed)
    rows = [_row(method, entry) for method, entry in zip(methods, tests.methods, strict=True)]
    num_cases = len(runs[0].result.by_case())
    return RunComparison(
        title=_title(runs[0], len(methods)),
        class_map=runs[0].result.class_map,
        rows=tuple(sorted(rows, key=lambda row: -row.macro.value)),
        differences=_differences(tests),
        tests=tests,
        num_cases=num_cases,
        notes=(*([tests.note] if tests.note else []), *_notes(methods, num_cases)),
    )


def _title(run: Run, num_methods: int) -> str:
    facts = run.result.facts
    data = facts.get("data_set") or facts.get("trained_on") or "the same cases"
    split = f", {facts['split']} split" if "split" in facts else ""
    return f"{count(num_methods, 'method')} on {data}{split}"


def _require_same_truth(runs: Sequence[Run]) -> None:
    """Refuse runs that were not scored on the same pixels of the same cases."""
    first = runs[0]
    cases = first.result.by_case()
    for run in runs[1:]:
        if run.result.class_map.names != first.result.class_map.names:
            raise ConfigError(
                f"run '{run.path}': its classes are not those of '{first.path}'; compare runs on"
                " the same data set"
            )
        own = run.result.by_case()
        same_truth = own.keys() == cases.keys() and all(
            np.array_equal(own[case].sum(axis=1), cases[case].sum(axis=1)) for case in cases
        )
        if not same_truth:
            raise ConfigError(
                f"run '{run.path}': was not scored on the cases of '{first.path}'; compare runs on"
                " the same split at the same resolution"
            )


def _row(method: Method, summary: MethodSummary) -> Row:
    macro, (low, high) = summary.overall["macro_dice"], summary.macro_interval
    return Row(method, Estimate(macro.mean, float(low), float(high)), macro.deviation)


def _differences(tests: Comparison) -> tuple[Difference, ...]:
    """Return every tested pair with the higher method first, the largest difference first."""
    adjusted = zip(tests.tests, tests.bootstrap_holm, tests.wilcoxon_holm, strict=True)
    found = [_difference(test, float(draws), float(ranks)) for test, draws, ranks in adjusted]
    return tuple(sorted(found, key=lambda entry: -entry.estimate.value))


def _difference(test: PairedTest, p_bootstrap: float, p_ranks: float) -> Difference:
    low, high = (float(end) for end in test.interval)
    if test.difference >= 0:
        estimate = Estimate(test.difference, low, high)
        return Difference(
            test.first, test.second, estimate, test.rank_biserial, p_bootstrap, p_ranks
        )
    estimate = Estimate(-test.difference, -high, -low)
    return Difference(test.second, test.first, estimate, -test.rank_biserial, p_bootstrap, p_ranks)


def _notes(methods: Sequence[Method], num_cases: int) -> tuple[str, ...]:
    notes = [
        "Runs with the same settings but the seed are one method. “±” is the standard deviation"
        " over its seeds.",
        f"Intervals: cases and seeds were drawn again {NUM_DRAWS} times; of two methods the same"
        " cases and, where they have the same seeds, the same seeds.",
        "A difference counts as beyond chance if two tests say so after Holm's correction for the"
        f" number of pairs (p < {LEVEL}): the paired bootstrap and Wilcoxon's signed-rank test over"
        " cases. A large p does not show that two methods are equal.",
        "Effect size: rank-biserial correlation over the cases; 1 where the first method is ahead"
        " in every case, 0 where neither is.",
    ]
    if min(len(method.runs) for method in methods) < ENOUGH_SEEDS:
        notes.append(
            f"Some methods have less than {ENOUGH_SEEDS} seeds: tests then speak of these runs, and"
            " whether other seeds would agree is hardly known."
        )
    if num_cases < FEW_CASES:
        notes.append(f"There are {num_cases} cases only: intervals are likely too narrow.")
    return tuple(notes)


def _row_record(row: Row, class_names: Sequence[str]) -> dict[str, Any]:
    method = row.method
    dice, delta = method.dice(), method.delta()
    return {
        "name": method.name,
        "settings": dict(method.settings),
        "seeds": list(method.seeds),
        "runs": [run.path.name for run in method.runs],
        "macro_dice": row.macro.to_record()
        | {"spread": to_number(row.spread), "by_seed": to_plain(method.macro_dice())},
        "dice": {name: to_plain(values) for name, values in zip(class_names, dice.T, strict=True)},
        "delta": None if delta is None else to_plain(delta),
        "frequencies": method.runs[0].result.facts.get("frequencies"),
    }
