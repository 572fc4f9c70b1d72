"""``dfaseg predict`` with a folder: many slides, shares of them, and what became of each."""

from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import click

from dfaseg.cli.columns import padded, widest
from dfaseg.cli.progress import report_progress, stop_on_signals
from dfaseg.cli.shard import chosen_share
from dfaseg.inference.batch.outcome import BatchReport, Outcome, SlideOutcome
from dfaseg.inference.batch.spec import BatchSpec
from dfaseg.slide.inputs import SlideInput, find_slide_inputs
from dfaseg.tiler.unreadable import unreadable_words

if TYPE_CHECKING:
    from dfaseg.inference.slide_run import Progress
    from dfaseg.inference.spec import PredictSpec
    from dfaseg.sharing.shares import Share
    from dfaseg.storage.store_path import Place

EXIT_SOME_FAILED = 3


@dataclass(frozen=True, slots=True)
class ManyOptions:
    """Options that only concern many slides; None or False where not given."""

    on_error: Literal["fail", "skip"] | None
    shard: "Share | None"
    dry_run: bool


def predict_many(
    slides: Sequence[str], out: "Place", settings: "PredictSpec", many: ManyOptions
) -> None:
    """Segment slides into a folder, or say what would be done; end with 3 if any failed."""
    if settings.geojson is not None:
        raise click.UsageError(
            "--geojson names one file; in a folder, polygons lie beside each mask"
        )
    inputs = find_slide_inputs(slides)
    spec = BatchSpec(
        slides=inputs,
        folder=out,
        settings=settings,
        share=chosen_share(many.shard, len(inputs)),
        on_error=many.on_error or "skip",
    )
    if many.dry_run:
        _show_forecasts(spec)
        return
    from dfaseg.inference.batch.run import predict_slides

    with stop_on_signals() as stop:
        report = predict_slides(spec, show=_show_slide, stop=stop)
    _show_report(report)
    if report.of(Outcome.FAILED):
        click.get_current_context().exit(EXIT_SOME_FAILED)


def _show_slide(slide: SlideInput, place: int, count: int) -> AbstractContextManager["Progress"]:
    return report_progress(f"{slide.id} ({place} of {count})")


def _show_forecasts(spec: BatchSpec) -> None:
    """Print what would become of each slide."""
    from dfaseg.inference.batch.forecast import forecast_slides

    width = widest(slide.id for slide in spec.slides)
    counts: Counter[str] = Counter()
    for forecast in forecast_slides(spec):
        counts[forecast.word] += 1
        click.echo(f"{padded(forecast.slide.id, width)}  {forecast.word:<7}  {forecast.detail}")
    total = ", ".join(f"{number} {word}" for word, number in counts.items())
    click.echo(f"dfaseg: {total or 'no slides in this part'}", err=True)


def _show_report(report: BatchReport) -> None:
    """Print how many slides came to which end, why slides failed, and which have gaps."""
    for outcome, words in (
        (Outcome.DONE, "done"),
        (Outcome.SKIPPED, "finished before"),
        (Outcome.ELSEWHERE, "in work elsewhere"),
        (Outcome.FAILED, "failed"),
    ):
        click.echo(f"{words:<17}  {len(report.of(outcome)):>6}")
    partly = report.partly_unreadable
    if partly:
        click.echo(f"partly unreadable  {len(partly):>6}")
    lines = [(failed.slide.id, failed.reason) for failed in report.of(Outcome.FAILED)]
    lines += [(slide.slide.id, _gaps_of(slide)) for slide in partly]
    if not lines:
        return
    width = widest(slide_id for slide_id, _ in lines)
    click.echo()
    for slide_id, words in lines:
        click.echo(f"{padded(slide_id, width)}  {words}")


def _gaps_of(slide: SlideOutcome) -> str:
    """Say what is missing of a finished slide, and what to do."""
    return (
        f"{unreadable_words(slide.num_unreadable)}, see {slide.slide.id}.run.json; get the slide "
        "again and pass --overwrite"
    )
