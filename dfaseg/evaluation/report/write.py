"""The files of an evaluation: scores.json, scores.csv and report.html.

Nothing here loads torch or Matplotlib, which alone would take twice the memory of scoring a slide.
"""

from collections.abc import Sequence
from pathlib import Path

from dfaseg.evaluation.report.evaluation_page import evaluation_page
from dfaseg.evaluation.report.folder import REPORT, SCORES, TABLE
from dfaseg.evaluation.report.tables import write_evaluation_csv
from dfaseg.evaluation.results import EvalResult
from dfaseg.evaluation.summary import Summary
from dfaseg.figures.case_pictures import PanelCase
from dfaseg.files import write_aside, write_json


def write_evaluation(
    folder: Path, result: EvalResult, summary: Summary, shown: Sequence[PanelCase] = ()
) -> list[Path]:
    """Write all files of an evaluation, each whole or not at all.

    Args:
        folder: Where to; ``prepared_folder`` made it.
        result: What was counted.
        summary: Its scores with intervals.
        shown: Images for the report, with truth and prediction.

    Returns:
        The files; scores.json is written last, so that a folder that has it is complete.

    Raises:
        OutputError: A file cannot be written.
    """
    write_evaluation_csv(folder / TABLE, result, summary)
    write_text(folder / REPORT, evaluation_page(result, summary, shown))
    record = result.to_record() | {"summary": summary.to_record(result.class_map.names)}
    write_json(folder / SCORES, record)
    return [folder / SCORES, folder / TABLE, folder / REPORT]


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    with write_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")
