"""The files of a comparison of runs: scores.json, scores.csv and report.html."""

from collections.abc import Sequence
from pathlib import Path

from dfaseg.evaluation.methods import Method
from dfaseg.evaluation.records import FloatArray
from dfaseg.evaluation.report.comparison_page import comparison_page
from dfaseg.evaluation.report.folder import REPORT, SCORES, TABLE
from dfaseg.evaluation.report.statistic_rows import method_rows, pair_rows, reference_rows
from dfaseg.evaluation.report.tables import write_csv
from dfaseg.evaluation.report.write import write_text
from dfaseg.evaluation.run_comparison import RunComparison
from dfaseg.evaluation.runs import Run
from dfaseg.files import write_json

Place = tuple[object, object, object]
"""Method, run and seed: the first three columns."""

_COLUMNS = ("method", "run", "seed", "class", "measure", "value")


def write_comparison(folder: Path, comparison: RunComparison) -> list[Path]:
    """Write all files of a comparison, each whole or not at all.

    Args:
        folder: Where to; ``prepared_folder`` made it.
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
    """Write Dice and delta of every run, what delta goes with, and what was said of methods."""
    rows: list[Sequence[object]] = []
    for entry in comparison.rows:
        for run in entry.method.runs:
            scores = run.result.pooled()
            place = _place(entry.method, run)
            rows.append((*place, "", "macro_dice", scores.macro_dice))
            rows += _class_rows(place, "dice", comparison, scores.dice)
        rows += _delta_rows(entry.method, comparison)
        rows += _relation_rows(entry.method, comparison)
    rows += method_rows(comparison.tests)
    rows += pair_rows(comparison.tests)
    rows += reference_rows(comparison.gains)
    write_csv(path, _COLUMNS, rows)


def _class_rows(
    place: Place, measure: str, comparison: RunComparison, values: FloatArray
) -> list[Sequence[object]]:
    names = comparison.class_map.names
    return [
        (*place, name, measure, float(value)) for name, value in zip(names, values, strict=True)
    ]


def _delta_rows(method: Method, comparison: RunComparison) -> list[Sequence[object]]:
    delta = method.delta()
    if delta is None:
        return []
    return [
        line
        for run, values in zip(method.runs, delta, strict=True)
        for line in _class_rows(_place(method, run), "delta", comparison, values)
    ]


def _relation_rows(method: Method, comparison: RunComparison) -> list[Sequence[object]]:
    """Return the correlations of each run, and, without a run, those of the means over seeds."""
    rows: list[Sequence[object]] = []
    for relation in comparison.relations:
        if relation.method != method.name:
            continue
        places = [(method.name, "", ""), *(_place(method, run) for run in method.runs)]
        found = (relation.of_means, *relation.by_seed)
        pair = f"{relation.measured}_{relation.against}"
        for place, correlation in zip(places, found, strict=True):
            rows += [
                (*place, "", f"{name}_{pair}", _cell(value))
                for name, value in correlation.to_record().items()
            ]
    return rows


def _place(method: Method, run: Run) -> Place:
    return method.name, run.path.name, "" if run.seed is None else run.seed


def _cell(value: float | None) -> object:
    return "" if value is None else value
