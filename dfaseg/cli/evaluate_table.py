"""The scores of an evaluation as a table on stdout."""

import math
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from dfaseg.evaluation.wording import p_value

if TYPE_CHECKING:
    from dfaseg.evaluation.records import FloatArray
    from dfaseg.evaluation.results import EvalResult
    from dfaseg.evaluation.run_comparison import RunComparison
    from dfaseg.evaluation.summary import Estimate, Summary

_OVERALL = {
    "macro_dice": "macro Dice",
    "macro_iou": "macro IoU",
    "worst_dice": "worst Dice",
    "pixel_accuracy": "pixel accuracy",
    "frequency_weighted_iou": "frequency-weighted IoU",
}
_PER_CLASS = {"dice": "Dice", "iou": "IoU", "precision": "precision", "recall": "recall"}


def show_evaluation(result: "EvalResult", summary: "Summary", notes: tuple[str, ...]) -> None:
    """Print scores per class and over all, with 95 % intervals where there are several cases.

    Args:
        result: What was counted.
        summary: Its scores.
        notes: What was not scored.
    """
    console = Console()
    table = Table("class", title=result.title, title_justify="left", caption_justify="left")
    for name in _PER_CLASS.values():
        table.add_column(name, justify="right")
    for entry, scores in zip(result.class_map, summary.classes, strict=True):
        table.add_row(entry.name, *(_cell(scores[name]) for name in _PER_CLASS))
    console.print(table)
    width = max(map(len, _OVERALL.values()))
    for key, name in _OVERALL.items():
        console.print(f"{name:<{width}}  {_cell(summary.overall[key])}", highlight=False)
    for extra in summary.extras:
        console.print(f"{extra.name}  {extra.text}", highlight=False)
    for note in notes:
        console.print(note, highlight=False)


def show_comparison(comparison: "RunComparison") -> None:
    """Print methods by classes, the best first, and the pairs that differ beyond chance."""
    console = Console()
    table = Table("method", title=comparison.title, title_justify="left")
    for name in ("seeds", "macro Dice", *comparison.class_map.names):
        table.add_column(name, justify="right")
    for entry in comparison.rows:
        columns = [entry.method.macro_dice(), *entry.method.dice().T]
        cells = [_mean_and_spread(values) for values in columns]
        table.add_row(entry.method.name, str(len(entry.method.runs)), *cells)
    console.print(table)
    for pair in comparison.differences:
        if pair.is_beyond_chance:
            console.print(
                f"{pair.first} is ahead of {pair.second} by {pair.estimate.value:.4f}"
                f" (corrected p: bootstrap {p_value(pair.p_bootstrap)},"
                f" Wilcoxon {p_value(pair.p_ranks)})",
                highlight=False,
            )
    for note in comparison.notes:
        console.print(note, highlight=False)


def _mean_and_spread(values: "FloatArray") -> str:
    if not all(map(math.isfinite, values)):
        return "-"
    mean = f"{values.mean():.4f}"
    return f"{mean} ± {values.std(ddof=1):.3f}" if len(values) > 1 else mean


def _cell(estimate: "Estimate") -> str:
    if not math.isfinite(estimate.value):
        return "-"
    if not math.isfinite(estimate.low):
        return f"{estimate.value:.4f}"
    return f"{estimate.value:.4f} ({estimate.low:.3f}-{estimate.high:.3f})"
