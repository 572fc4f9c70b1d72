"""``dfaseg eval``: predictions, a model or whole runs against the truth."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dfaseg.cli.options import overwrite_option

if TYPE_CHECKING:
    from dfaseg.evaluation.results import EvalResult

_PATH = click.Path(path_type=Path)


@click.command("eval", short_help="Score predictions, a model or whole runs against the truth.")
@click.argument("inputs", nargs=-1, type=_PATH, metavar="[PREDICTION|RUN]...")
@click.option(
    "--out", required=True, type=_PATH, metavar="DIR", help="Folder of the scores and the report."
)
@click.option(
    "--truth",
    type=_PATH,
    metavar="FILE|DIR",
    help="What is true: a mask (mask.zarr, PNG, TIFF) or polygons (QuPath's GeoJSON, JSON of the"
    " Digital Slide Archive, XML of ASAP); a folder of them for several predictions.",
)
@click.option(
    "--class-map",
    "class_map_path",
    type=_PATH,
    metavar="FILE",
    help="TOML file with the classes that are scored; names the codes of masks without names.",
)
@click.option(
    "--ignore",
    "ignored",
    multiple=True,
    metavar="NAME",
    help="Class of the truth that is not scored; may be given several times.",
)
@click.option(
    "--background",
    metavar="NAME",
    help="Class of what no polygon of the truth covers; not scored if not given.",
)
@click.option(
    "--truth-origin",
    type=(float, float),
    default=(0.0, 0.0),
    metavar="X Y",
    help="Where on the slide the truth's polygons have (0, 0), in level-0 px.",
)
@click.option(
    "--level0-scale",
    type=click.FloatRange(min=0, min_open=True),
    metavar="PX",
    help="Level-0 px per pixel of a prediction that does not say so, for truth in polygons.",
)
@click.option(
    "--tolerance",
    "tolerance_um",
    type=click.FloatRange(min=0),
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
@overwrite_option
def evaluate(
    inputs: tuple[Path, ...], out: Path, truth: Path | None, *, overwrite: bool, **options: Any
) -> None:
    """Score masks against the truth, pixel by pixel at its full resolution.

    PREDICTION is a mask (mask.zarr, PNG, TIFF) or a folder of masks. Of several, each goes with
    the truth of the same slide or the same file name. The folder --out gets scores.json,
    scores.csv and report.html.
    """
    from dfaseg.evaluation.report.write import prepare_folder

    if truth is None:
        raise click.UsageError("Give --truth, what the predictions are scored against.")
    if not inputs:
        raise click.UsageError("Give the predictions that are scored against --truth.")
    prepare_folder(out, overwrite=overwrite)
    _report_predictions(inputs, out, truth, options)


def _report_predictions(
    predictions: tuple[Path, ...], out: Path, truth: Path, options: dict[str, Any]
) -> None:
    """Score predictions against their truth, and write and print what was found."""
    from dfaseg.cli.progress import report_progress
    from dfaseg.evaluation.drawn_truth import Drawing
    from dfaseg.evaluation.predictions import (
        PredictionsSpec,
        evaluate_predictions,
        notes_on_coverage,
    )

    spec = PredictionsSpec(
        predictions,
        truth,
        class_map_path=options["class_map_path"],
        ignored=options["ignored"],
        tolerance_um=options["tolerance_um"],
        object_class=options["object_class"],
        drawing=Drawing(options["background"], options["truth_origin"], options["level0_scale"]),
    )
    with report_progress(truth.name, "rows") as progress:
        result = evaluate_predictions(spec, progress=progress)
    _report(result, out, notes_on_coverage(result))


def _report(result: "EvalResult", out: Path, notes: tuple[str, ...]) -> None:
    from dfaseg.cli.evaluate_table import show_evaluation
    from dfaseg.evaluation.report.write import write_evaluation
    from dfaseg.evaluation.summary import summarise

    summary = summarise(result, notes=notes)
    files = write_evaluation(out, result, summary)
    show_evaluation(result, summary, notes)
    for path in files:
        click.echo(f"{path.stem:<6}  {path}")
