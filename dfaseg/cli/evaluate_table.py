"""The scores of an evaluation as tables on stdout, readable in a terminal of 80 columns."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from dfaseg.cli.columns import shortened
from dfaseg.evaluation.extras import NOT_SCORED
from dfaseg.evaluation.wording import named, p_value, signed

if TYPE_CHECKING:
    from dfaseg.evaluation.differences import Difference
    from dfaseg.evaluation.estimate import Estimate
    from dfaseg.evaluation.records import FloatArray
    from dfaseg.evaluation.results import EvalResult
    from dfaseg.evaluation.run_comparison import RunComparison
    from dfaseg.evaluation.summary import Summary

_OVERALL = {
    "macro_dice": "macro Dice",
    "macro_iou": "macro IoU",
    "macro_precision": "macro precision",
    "macro_recall": "macro recall",
    "worst_dice": "worst Dice",
    "pixel_accuracy": "pixel accuracy",
    "frequency_weighted_iou": "frequency-weighted IoU",
}
_PER_CLASS = {"dice": "Dice", "iou": "IoU", "precision": "precision", "recall": "recall"}
_MOST_PAIRS = 8
"""Pairs that are said one by one; the report has them all."""
_NAME_WIDTH, _LEAST_NAME = 24, 16
_LEAST_WIDTH = 72
"""In a narrower terminal lines are broken; the tables would lose their names."""
_MARGIN = 2
_CLASS_WIDTHS = (7, 14)
"""Columns of one class at least and at most; longer words are folded."""


def show_evaluation(result: "EvalResult", summary: "Summary", notes: tuple[str, ...]) -> None:
    """Print scores per class and over all; Dice with 95 % intervals where there are several cases.

    Args:
        result: What was counted.
        summary: Its scores.
        notes: What was not scored.
    """
    console = _console()
    table = _table(result.title, "class")
    for name in _PER_CLASS.values():
        table.add_column(name, justify="right", no_wrap=True)
    for entry, scores in zip(result.class_map, summary.classes, strict=True):
        values = [_number(scores[name].value) for name in _PER_CLASS]
        is_scored = entry.index not in result.unscored
        dice = _cell(scores["dice"]) if is_scored else NOT_SCORED
        table.add_row(shortened(entry.name), dice, *values[1:])
    console.print(table)
    lines = Table.grid(padding=(0, _MARGIN, 0, 0))
    lines.add_column(overflow="fold")
    lines.add_column(no_wrap=True)
    for key, name in _OVERALL.items():
        lines.add_row(name, _cell(summary.overall[key]))
    for extra in summary.extras:
        lines.add_row(extra.name, extra.text + (f" ({extra.spread})" if extra.spread else ""))
    console.print(lines, highlight=False)
    for note in notes:
        console.print(note, highlight=False)


def show_comparison(comparison: "RunComparison") -> None:
    """Print methods, the best first, by class, and those that differ beyond chance."""
    console = _console()
    console.print(_method_table(comparison))
    for table in _class_tables(comparison, console.width):
        console.print(table)
    if comparison.gains:
        console.print(_reference_table(comparison))
    for line in _say_pairs(comparison):
        console.print(line, highlight=False)
    for note in comparison.cautions:
        console.print(note, highlight=False)


def _console() -> Console:
    """Return stdout, where names of classes and files stand as they are, brackets included."""
    return Console(markup=False, emoji=False, width=max(Console().width, _LEAST_WIDTH))


def _table(title: str, first: str) -> Table:
    table = Table(
        title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, title_style="bold"
    )
    table.add_column(first, overflow="fold", min_width=_LEAST_NAME, max_width=_NAME_WIDTH)
    return table


def _method_table(comparison: "RunComparison") -> Table:
    """Return macro Dice of each method: mean and spread over seeds, interval over cases."""
    table = _table(comparison.title, "method")
    for name in ("seeds", "macro Dice", "95 %", "worst class"):
        table.add_column(name, justify="right", no_wrap=True)
    for entry in comparison.rows:
        worst = np.array([run.result.pooled().worst_dice for run in entry.method.runs])
        table.add_row(
            entry.method.name,
            str(len(entry.method.runs)),
            _mean_and_spread(entry.method.macro_dice()),
            _ends(entry.macro),
            _mean_and_spread(worst),
        )
    return table


def _class_tables(comparison: "RunComparison", width: int) -> Iterator[Table]:
    """Yield Dice by class, as many classes side by side as the terminal has room for."""
    names = [shortened(name) for name in comparison.class_map.names]
    for shown in _side_by_side(names, width - _NAME_WIDTH):
        table = _table("Dice by class: mean, ± over seeds", "method")
        for index in shown:
            size = _class_width(names[index])
            table.add_column(
                names[index], justify="right", overflow="fold", min_width=size, max_width=size
            )
        for entry in comparison.rows:
            columns = entry.method.dice().T
            table.add_row(entry.method.name, *(_stacked(columns[index]) for index in shown))
        yield table


def _side_by_side(names: Sequence[str], room: int) -> list[list[int]]:
    """Return the places of names that fit side by side, group by group."""
    groups: list[list[int]] = [[]]
    left = room
    for index, name in enumerate(names):
        needed = _class_width(name) + _MARGIN
        if groups[-1] and needed > left:
            groups.append([])
            left = room
        groups[-1].append(index)
        left -= needed
    return groups


def _class_width(name: str) -> int:
    """Return the columns that a class's longest word needs, within limits."""
    least, most = _CLASS_WIDTHS
    return min(max(least, *map(len, name.split())), most)


def _reference_table(comparison: "RunComparison") -> Table:
    table = _table(f"Macro Dice against {named(str(comparison.reference))}", "method")
    table.caption, table.caption_justify = "* beyond chance: both p < 0.05, corrected", "left"
    for name in ("difference", "95 %", "p bootstrap", "p Wilcoxon"):
        table.add_column(name, justify="right", no_wrap=True)
    for entry in comparison.gains:
        ends = f"{signed(entry.estimate.low)} to {signed(entry.estimate.high)}"
        mark = " *" if entry.is_beyond_chance else ""
        table.add_row(
            entry.first,
            signed(entry.estimate.value) + mark,
            ends,
            p_value(entry.p_bootstrap),
            p_value(entry.p_ranks),
        )
    return table


def _say_pairs(comparison: "RunComparison") -> list[str]:
    """Return the pairs that differ beyond chance, the largest difference first."""
    surely = [entry for entry in comparison.differences if entry.is_beyond_chance]
    said = [_say_pair(entry) for entry in surely[:_MOST_PAIRS]]
    if len(surely) > _MOST_PAIRS:
        said.append(f"So do {len(surely) - _MOST_PAIRS} other pairs; report.html has them all.")
    if comparison.differences:
        said.append(
            f"{len(surely)} of {len(comparison.differences)} pairs differ by more than chance"
            " explains."
        )
    return said


def _say_pair(pair: "Difference") -> str:
    return (
        f"{named(pair.first)} is ahead of {named(pair.second)} by {pair.estimate.value:.4f}"
        f" (corrected p: bootstrap {p_value(pair.p_bootstrap)},"
        f" Wilcoxon {p_value(pair.p_ranks)})"
    )


def _stacked(values: "FloatArray") -> str:
    """Return the mean and, below it, so that more classes fit side by side, the spread."""
    return _mean_and_spread(values).replace(" ± ", "\n± ")


def _mean_and_spread(values: "FloatArray") -> str:
    if not all(map(math.isfinite, values)):
        return "-"
    mean = f"{values.mean():.4f}"
    return f"{mean} ± {values.std(ddof=1):.3f}" if len(values) > 1 else mean


def _cell(estimate: "Estimate") -> str:
    ends = _ends(estimate)
    return f"{_number(estimate.value)} ({ends})" if ends else _number(estimate.value)


def _ends(estimate: "Estimate") -> str:
    return f"{estimate.low:.3f}-{estimate.high:.3f}" if estimate.has_interval else ""


def _number(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "-"
