"""The files of a comparison of runs: scores.json, scores.csv and report.html."""

from collections.abc import Sequence
from pathlib import Path

from dfaseg.evaluation.report.comparison_page import comparison_page
from dfaseg.evaluation.report.folder import REPORT, SCORES, TABLE
from dfaseg.evaluation.report.tables import write_csv
from dfaseg.evaluation.report.write import write_text
from dfaseg.evaluation.run_comparison import RunComparison
from dfaseg.files import write_json

_COLUMNS = ("method", "run", "seed", "class", "measure", "value")


def write_comparison(folder: Path, comparison: RunComparison) -> list[Path]:
    """Write all files of a comparison, each whole or not at all.

    Args:
        folder: Where to; ``prepare_folder`` made it.
        comparison: What was compared.

    Returns:
        The files; scores.json is written last.

    Raises:
        OutputError: A file cannot be written.
    """
    _write_table(folder / TABLE, comparison)
    write_text(folder / REPORT, comparison_page(comparison))
    write_json(folder / SCORES, comparison.to_record())
    return [folder / SCORES, folder / TABLE, folder / REPORT]


def _write_table(path: Path, comparison: RunComparison) -> None:
    """Write Dice of every run, one row per class, for programs that do their own statistics."""
    rows: list[Sequence[object]] = []
    for entry in comparison.rows:
        for run in entry.method.runs:
            scores = run.result.pooled()
            place = (entry.method.name, run.path.name, "" if run.seed is None else run.seed)
            rows.append((*place, "", "macro_dice", scores.macro_dice))
            rows += [
                (*place, class_name, "dice", float(value))
                for class_name, value in zip(comparison.class_map.names, scores.dice, strict=True)
            ]
    write_csv(path, _COLUMNS, rows)
