"""``dfaseg eval``: predictions, a model or whole runs against the truth."""

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from dfaseg.cli.options import (
    FiniteRange,
    device_option,
    local_path,
    overwrite_option,
    precision_option,
    workers_option,
)
from dfaseg.cli.train_options import DATASETS

_FOR_PREDICTIONS = {
    "--class-map": "class_map_path",
    "--ignore": "ignored",
    "--background": "background",
    "--level0-scale": "level0_scale",
    "--truth-origin": "truth_origin",
}
"""Options, and what they are called here, that mean something with --truth only."""
_FOR_SCORING = {"--tolerance": "tolerance_um", "--objects": "object_class"}
"""The same, of those that mean nothing where scores that are there are compared."""


@click.command("eval", short_help="Score predictions, a model or whole runs against the truth.")
@click.argument("inputs", nargs=-1, type=local_path, metavar="[PREDICTION|RUN]...")
@click.option(
    "--out",
    required=True,
    type=local_path,
    metavar="DIR",
    help="Folder of the scores and the report.",
)
@click.option(
    "--truth",
    type=local_path,
    metavar="FILE|DIR",
    help="What is true: a mask (mask.zarr, PNG, TIFF) or polygons (QuPath's GeoJSON, JSON of the"
    " Digital Slide Archive, XML of ASAP, ImageScope or Halo); a folder of them for several"
    " predictions.",
)
@click.option(
    "--class-map",
    "class_map_path",
    type=local_path,
    metavar="FILE",
    help="TOML file with the classes that are scored, and what names in polygons and codes of"
    " masks mean.",
)
@click.option(
    "--ignore",
    "ignored",
    multiple=True,
    metavar="NAME",
    help="Class of the truth that is not scored and left out of means; may be given several times.",
)
@click.option(
    "--background",
    metavar="NAME",
    help="Class of what no polygon of the truth covers; that of the class map if not given, else"
    " not scored.",
)
@click.option(
    "--truth-origin",
    type=(FiniteRange(), FiniteRange()),
    default=(0.0, 0.0),
    metavar="X Y",
    help="Where on the slide polygons that do not say so have (0, 0), in level-0 px.",
)
@click.option(
    "--level0-scale",
    type=FiniteRange(min=0, min_open=True),
    metavar="PX",
    help="Level-0 px per pixel of a prediction that does not say so, for truth in polygons.",
)
@click.option(
    "--tolerance",
    "tolerance_um",
    type=FiniteRange(min=0, min_open=True),
    default=5.0,
    show_default=True,
    metavar="UM",
    help="Distance up to which two outlines count as the same.",
)
@click.option(
    "--objects",
    "object_class",
    metavar="NAME",
    help="Class whose connected parts are also counted one by one, such as glands.",
)
@click.option(
    "--model",
    metavar="NAME|FILE|URL",
    help="Model that is scored on a data set's split; 'default' is the built-in one.",
)
@click.option("--dataset", type=click.Choice(DATASETS), help="Data set for --model.")
@click.option("--root", type=local_path, metavar="DIR", help="Folder of the data set.")
@click.option(
    "--split",
    type=click.Choice(["val", "test"]),
    default="test",
    show_default=True,
    help="Split that a model is scored on, or that runs are compared on.",
)
@click.option(
    "--reference",
    metavar="METHOD",
    help="Of several runs: method, or folder of one of its runs, that each other method is held"
    " against, beside all pairs.",
)
@device_option
@precision_option
@workers_option
@overwrite_option
def evaluate(
    inputs: tuple[Path, ...], out: Path, truth: Path | None, *, overwrite: bool, **options: Any
) -> None:
    """Score predictions or a model against the truth, or compare finished runs.

    With --truth, each PREDICTION is a mask (mask.zarr, PNG, TIFF) or a folder of masks; of several,
    each goes with the truth of the same slide or the same file name. With --model and --dataset, a
    model is scored on a split of a data set. Otherwise each RUN is a folder of 'dfaseg train' or
    'dfaseg eval'; runs that differ in their seed only are one method.

    The folder --out gets scores.json, scores.csv and report.html.
    """
    from dfaseg.cli.evaluate_runs import report_model, report_runs
    from dfaseg.evaluation.report.folder import prepared_folder, refuse_folder_of

    _check_form(inputs, truth, options)
    _check_needless(truth, options)
    if truth is None:
        refuse_folder_of(out, inputs)
    with prepared_folder(out, overwrite=overwrite):
        if options["model"] is not None:
            report_model(out, options)
        elif truth is not None:
            _report_predictions(inputs, out, truth, options)
        else:
            report_runs(inputs, out, options["split"], reference=options["reference"])


def _check_form(inputs: tuple[Path, ...], truth: Path | None, options: dict[str, Any]) -> None:
    """Refuse what is none of the three forms of the command."""
    if options["model"] is not None:
        if inputs or truth is not None or options["reference"] is not None:
            raise click.UsageError(
                "--model is scored on --dataset; leave out paths, --truth and --reference."
            )
        if options["dataset"] is None:
            raise click.UsageError("Give --dataset, what the model is scored on.")
    elif options["dataset"] is not None or options["root"] is not None:
        raise click.UsageError("--dataset and --root are what a --model is scored on; give one.")
    elif options["reference"] is not None and truth is not None:
        raise click.UsageError("--reference is for runs; leave out --truth.")
    elif truth is not None and not inputs:
        raise click.UsageError("Give the predictions that are scored against --truth.")
    elif truth is None and len(inputs) < 2:
        raise click.UsageError(
            "Give predictions and --truth, or --model and --dataset, or two runs to compare."
        )


def _check_needless(truth: Path | None, options: dict[str, Any]) -> None:
    """Refuse options that would have no effect."""
    if truth is not None:
        return
    for option, name in _FOR_PREDICTIONS.items():
        if _is_given(name):
            raise click.UsageError(f"{option} is for predictions; leave it out or give --truth.")
    if options["model"] is None:
        for option, name in _FOR_SCORING.items():
            if _is_given(name):
                raise click.UsageError(
                    f"{option} has no effect on runs, which are compared by the scores that they"
                    " have; leave it out."
                )


def _is_given(name: str) -> bool:
    """Tell whether an option stands in the command, were it with the value that it has anyway."""
    source = click.get_current_context().get_parameter_source(name)
    return source not in {ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP}


def _report_predictions(
    predictions: tuple[Path, ...], out: Path, truth: Path, options: dict[str, Any]
) -> None:
    """Score predictions against their truth, and write and print what was found."""
    from dfaseg.cli.evaluate_runs import report_evaluation
    from dfaseg.cli.progress import report_progress
    from dfaseg.evaluation.album import Album
    from dfaseg.evaluation.coverage import notes_on_coverage
    from dfaseg.evaluation.drawn_truth import Drawing
    from dfaseg.evaluation.predictions import PredictionsSpec, evaluate_predictions

    spec = PredictionsSpec(
        predictions,
        truth,
        class_map_path=options["class_map_path"],
        ignored=options["ignored"],
        tolerance_um=options["tolerance_um"],
        object_class=options["object_class"],
        drawing=Drawing(options["background"], options["truth_origin"], options["level0_scale"]),
    )
    album = Album()
    with report_progress(truth.name, "rows") as progress:
        result = evaluate_predictions(spec, progress=progress, album=album)
    report_evaluation(result, out, notes_on_coverage(result), album.choose(result))
