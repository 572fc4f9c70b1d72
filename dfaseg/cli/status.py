"""``dfaseg status``: how a folder of predictions stands, or of a training run."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dfaseg.cli import options
from dfaseg.wording import counted

if TYPE_CHECKING:
    from dfaseg.storage.store_path import Place
    from dfaseg.training.standing import RunStanding

_LISTED = ("in work", "interrupted", "failed")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("folder", type=options.place)
def status(folder: "Place") -> None:
    """Say which slides in FOLDER are done, in work, interrupted or failed.

    FOLDER is the --out of `dfaseg predict` for many slides, on a disk or in a store. Nothing
    is changed or waited for, so that it can be asked at any time, from any machine. Slides that no
    process has begun are not listed; `dfaseg predict ... --dry-run` tells those.

    Of the --out of `dfaseg train` it says how the run stands, and its best epoch so far.
    """
    from dfaseg.cli.columns import padded, widest
    from dfaseg.inference.batch.status import read_status
    from dfaseg.training.standing import read_standing

    run = read_standing(folder) if isinstance(folder, Path) else None
    if run is not None:
        _show_run(run)
        return
    found = read_status(folder)
    partly = found.partly_unreadable
    for word in ("done", *_LISTED):
        click.echo(f"{word:<17}  {len(found.of(word)):>6}")
    if partly:
        click.echo(f"partly unreadable  {len(partly):>6}")
    if not found.slides:
        click.echo("no slide was begun here; give the --out of dfaseg predict or dfaseg train")
    if found.seconds:
        speed = found.tiles / found.seconds
        patches = counted(found.tiles, "patch", "patches")
        click.echo(f"{patches} in {found.seconds:.0f} s of work ({speed:.1f} per s)")
    listed = [*(slide for word in _LISTED for slide in found.of(word)), *partly]
    if not listed:
        return
    width = widest(slide.slide_id for slide in listed)
    click.echo()
    for slide in listed:
        click.echo(f"{padded(slide.slide_id, width)}  {slide.word:<11}  {slide.detail}".rstrip())


def _show_run(run: "RunStanding") -> None:
    click.echo(f"training run     {run.word}")
    click.echo(f"epochs           {run.finished} of {run.num_epochs}")
    if run.best is not None:
        click.echo(f"best macro Dice  {run.best.macro_dice:.4f} (epoch {run.best.epoch})")
