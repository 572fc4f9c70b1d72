"""Tables of scores as CSV, one row per score, for spreadsheets and statistics programs."""

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import astuple
from pathlib import Path

import numpy as np

from dfaseg.evaluation.results import CaseResult, EvalResult
from dfaseg.evaluation.summary import OVERALL, PER_CLASS, Summary
from dfaseg.files import write_aside

_EVALUATION_COLUMNS = ("scope", "name", "case", "class", "measure", "value", "low", "high")


def write_evaluation_csv(path: Path, result: EvalResult, summary: Summary) -> None:
    """Write pooled scores with intervals, then the scores of each image.

    Raises:
        OutputError: The file cannot be written.
    """
    names = result.class_map.names
    rows: list[Sequence[object]] = [
        ("pooled", result.title, "", "", measure, entry.value, entry.low, entry.high)
        for measure, entry in summary.overall.items()
    ]
    for class_name, scores in zip(names, summary.classes, strict=True):
        rows += [
            ("pooled", result.title, "", class_name, measure, entry.value, entry.low, entry.high)
            for measure, entry in scores.items()
        ]
    rows += [
        ("pooled", result.title, "", "", extra.name, *astuple(extra.estimate))
        for extra in summary.extras
    ]
    rows += _calibration_rows(result.title, summary)
    rows += _sampath_rows(result.title, summary)
    for case in result.cases:
        own = result.scores_of(case.confusion)
        place = ("image", case.name, case.case)
        rows += [
            (*place, "", measure, float(getattr(own, measure)), math.nan, math.nan)
            for measure in OVERALL
        ]
        rows += [
            (*place, class_name, measure, float(value), math.nan, math.nan)
            for measure in PER_CLASS
            for class_name, value in zip(names, getattr(own, measure), strict=True)
        ]
        rows += _outline_rows(place, case, result)
    write_csv(path, _EVALUATION_COLUMNS, rows)


def _outline_rows(
    place: tuple[str, str, str], case: CaseResult, result: EvalResult
) -> list[Sequence[object]]:
    """Return the outlines' measures of an image, where they were taken."""
    if case.surface is None:
        return []
    rows: list[Sequence[object]] = []
    for measure in ("surface_dice", "hausdorff95_um"):
        values = getattr(case.surface, measure).copy()
        values[list(result.unscored)] = np.nan
        rows += [
            (*place, class_name, measure, float(value), math.nan, math.nan)
            for class_name, value in zip(result.class_map.names, values, strict=True)
        ]
    return rows


def _calibration_rows(title: str, summary: Summary) -> list[Sequence[object]]:
    """Return the reliability table: for each bin of confidence its pixels, and how many are right.

    ``low`` and ``high`` are the edges of the bin.
    """
    bins = summary.calibration.bins() if summary.calibration is not None else []
    return [
        ("calibration", title, "", "", measure, value, entry.low, entry.high)
        for entry in bins
        for measure, value in (
            ("pixels", entry.pixels), ("confidence", entry.confidence),
            ("accuracy", entry.accuracy),
        )
    ]  # fmt: skip


def _sampath_rows(title: str, summary: Summary) -> list[Sequence[object]]:
    return [
        ("sampath_compat", title, "", variant.name, measure, _nan(value), math.nan, math.nan)
        for variant in summary.sampath
        for measure, value in variant.scores.to_record().items()
    ]


def _nan(value: float | None) -> float:
    return math.nan if value is None else value


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write rows below their headings; numbers that are not defined stay empty.

    Raises:
        OutputError: The file cannot be written.
    """
    with write_aside(path) as aside, aside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([_cell(value) for value in line] for line in rows)


def _cell(value: object) -> object:
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else ""
    return value
