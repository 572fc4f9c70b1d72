"""Finished runs side by side: means and spread over seeds, and which differences hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dfaseg.classmap import ClassMap
from dfaseg.errors import ConfigError
from dfaseg.evaluation.bias_relations import BiasRelation, relate_bias
from dfaseg.evaluation.compare import Comparison, MethodSummary, compare_methods
from dfaseg.evaluation.comparison_notes import EXPLANATIONS, cautions
from dfaseg.evaluation.differences import Difference, all_differences, can_find, differences_from
from dfaseg.evaluation.estimate import Estimate
from dfaseg.evaluation.methods import Method, find_method, group_runs
from dfaseg.evaluation.records import to_number, to_plain
from dfaseg.evaluation.runs import Run
from dfaseg.evaluation.same_pixels import require_same_pixels
from dfaseg.wording import counted

FORMAT = "dfaseg-comparison-1"


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
class RunComparison:
    """Methods on the same cases.

    Attributes:
        title: What is compared.
        class_map: Classes of all runs.
        rows: Methods, the best first.
        differences: Every pair of methods, the largest difference first.
        reference: Name of the method that all others are held against; None for none.
        gains: Every other method minus the reference, the largest gain first.
        relations: What the learned bias goes with, method by method.
        tests: What was computed of methods and pairs, in full.
        num_cases: Cases they were scored on.
        cautions: What limits these very results.
        explanations: How any comparison is to be read.
    """

    title: str
    class_map: ClassMap
    rows: tuple[Row, ...]
    differences: tuple[Difference, ...]
    reference: str | None
    gains: tuple[Difference, ...]
    relations: tuple[BiasRelation, ...]
    tests: Comparison
    num_cases: int
    cautions: tuple[str, ...]
    explanations: tuple[str, ...]

    @property
    def can_find(self) -> bool:
        """Whether there are cases enough for any pair to count as beyond chance."""
        return can_find(self.num_cases, len(self.differences))

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
            "reference": self.reference,
            "against_reference": [entry.to_record() for entry in self.gains],
            "bias_relations": [entry.to_record() for entry in self.relations],
            "notes": [*self.cautions, *self.explanations],
        }


def compare_runs(
    runs: Sequence[Run], *, reference: str | None = None, seed: int = 0
) -> RunComparison:
    """Compare runs that were scored on the same cases.

    Args:
        runs: Two at least.
        reference: Method, or folder of one of its runs, that all others are also held against.
        seed: Origin of the bootstrap's draws.

    Raises:
        ConfigError: There are less than two runs, one comes twice, classes, cases or scored pixels
            differ, or the reference is none of the methods.
    """
    if len(runs) < 2:
        raise ConfigError("comparison: give the folders of at least two runs")
    require_same_pixels(runs)
    methods = group_runs(runs)
    chosen = None if reference is None else find_method(methods, reference).name
    results = {method.name: [run.result for run in method.runs] for method in methods}
    tests = compare_methods(results, seed=seed)
    rows = [_row(method, entry) for method, entry in zip(methods, tests.methods, strict=True)]
    num_cases = len(runs[0].result.by_case())
    return RunComparison(
        title=_title(runs[0], len(methods)),
        class_map=runs[0].result.class_map,
        rows=tuple(sorted(rows, key=lambda row: -row.macro.value)),
        differences=all_differences(tests),
        reference=chosen,
        gains=() if chosen is None else differences_from(tests, chosen),
        relations=relate_bias(methods),
        tests=tests,
        num_cases=num_cases,
        cautions=cautions(methods, tests, num_cases, chosen),
        explanations=EXPLANATIONS,
    )


def _title(run: Run, num_methods: int) -> str:
    facts = run.result.facts
    data = facts.get("data_set") or facts.get("trained_on") or "the same cases"
    split = f", {facts['split']} split" if "split" in facts else ""
    return f"{counted(num_methods, 'method')} on {data}{split}"


def _row(method: Method, summary: MethodSummary) -> Row:
    macro, (low, high) = summary.overall["macro_dice"], summary.macro_interval
    return Row(method, Estimate(macro.mean, float(low), float(high)), macro.deviation)


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
