"""The forms of ``dfaseg eval`` that need no file of truth: a model on a data set, and runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from dfaseg.evaluation.results import EvalResult
    from dfaseg.figures.case_pictures import PanelCase


def report_model(out: Path, options: dict[str, Any]) -> None:
    """Score a model on a data set's split, and write and print what was found.

    Args:
        out: Folder of the scores.
        options: The command's options.
    """
    from dfaseg.datasets.readers import read_dataset
    from dfaseg.evaluation.model_on_split import ModelEvalSpec, evaluate_model, notes_on_data
    from dfaseg.evaluation.runs import settings_beside
    from dfaseg.limits import available_cores
    from dfaseg.model.network import load_network
    from dfaseg.model.resolve import resolve_model

    cores = available_cores()
    data = read_dataset(options["dataset"], options["root"])
    model = resolve_model(options["model"])
    network = load_network(
        model, device=options["device"], precision=options["precision"], cores=cores
    )
    spec = ModelEvalSpec(
        options["split"],
        tolerance_um=options["tolerance_um"],
        object_class=options["object_class"],
        workers=options["workers"] or cores,
    )
    settings = settings_beside(model)
    evaluation = evaluate_model(network, data, spec, settings=settings)
    result = evaluation.result
    report_evaluation(result, out, notes_on_data(result), evaluation.shown)


def report_runs(
    runs: Sequence[Path], out: Path, split: str, *, reference: str | None = None
) -> None:
    """Compare finished runs, and write and print what was found.

    Args:
        runs: Their folders.
        out: Folder of the scores.
        split: Split of training runs that is compared.
        reference: Method that all others are held against, if any.
    """
    from dfaseg.cli.evaluate_table import show_comparison
    from dfaseg.evaluation.report.write_comparison import write_comparison
    from dfaseg.evaluation.run_comparison import compare_runs
    from dfaseg.evaluation.runs import read_run

    comparison = compare_runs([read_run(path, split) for path in runs], reference=reference)
    files = write_comparison(out, comparison)
    show_comparison(comparison)
    _say_files(files)


def report_evaluation(
    result: "EvalResult", out: Path, notes: tuple[str, ...], shown: Sequence["PanelCase"] = ()
) -> None:
    """Write and print one evaluation.

    Args:
        result: What was counted.
        out: Folder of the scores.
        notes: What must be said of them.
        shown: Images for the report.
    """
    from dfaseg.cli.evaluate_table import show_evaluation
    from dfaseg.evaluation.report.write import write_evaluation
    from dfaseg.evaluation.summary import summarise

    summary = summarise(result, notes=notes)
    files = write_evaluation(out, result, summary, shown)
    show_evaluation(result, summary, notes)
    _say_files(files)


def _say_files(files: Sequence[Path]) -> None:
    for path in files:
        click.echo(f"{path.stem:<6}  {path}")
