"""``dfaseg tile``: slides in, tiles with coordinates, pictures and patches out."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from dfaseg.cli import options
from dfaseg.wording import counted

if TYPE_CHECKING:
    from dfaseg.cutting.dataset_files import DatasetSummary
    from dfaseg.cutting.many import TileResult
    from dfaseg.cutting.record import SlideRecord
    from dfaseg.cutting.spec import TileSpec

EXIT_SOME_FAILED = 3
_ABOUT_ANNOTATIONS = ("class_map", "group_by", "val_share", "test_share", "seed")
"""Parameters that mean something only beside ``annotations``."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("slides", nargs=-1, required=True, metavar="SLIDE...")
@click.option(
    "--out",
    required=True,
    type=options.local_path,
    metavar="DIR",
    help="Folder of the results; one folder per slide in it.",
)
@click.option(
    "--mpp",
    type=options.FiniteRange(min=0, min_open=True),
    default=0.5,
    show_default=True,
    metavar="UM",
    help="Resolution of the patches in µm per pixel.",
)
@click.option(
    "--slide-mpp",
    type=options.FiniteRange(min=0, min_open=True),
    metavar="UM",
    help="The slides' own µm per pixel, in place of what their files say.",
)
@click.option(
    "--patch-size",
    type=click.IntRange(min=1),
    default=512,
    show_default=True,
    metavar="PX",
    help="Side of a patch.",
)
@click.option(
    "--overlap",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="PX",
    help="Overlap of neighbouring patches.",
)
@click.option(
    "--tissue",
    default="auto",
    show_default=True,
    metavar="auto|none|FILE",
    help="What is cut: found tissue, all, or where a picture of the slide is not black.",
)
@click.option(
    "--min-tissue",
    type=options.FiniteRange(0, 1),
    default=0.0,
    show_default=True,
    metavar="SHARE",
    help="Least share of tissue in a tile; 0 takes every tile that touches tissue.",
)
@click.option(
    "--save",
    type=click.Choice(["none", "png", "jpeg"]),
    help="Write the patches too.  [default: none; png with --annotations]",
)
@click.option(
    "--table",
    type=click.Choice(["csv", "parquet"]),
    default="csv",
    show_default=True,
    help="Format of the table of tiles; Parquet needs dfaseg[parquet].",
)
@click.option(
    "--hdf5",
    type=click.Choice(["none", "clam", "trident"]),
    default="none",
    show_default=True,
    help="Write coordinates as CLAM or TRIDENT read them; needs dfaseg[hdf5].",
)
@click.option(
    "--decode",
    type=click.Choice(["auto", "full", "fast"]),
    default="auto",
    show_default=True,
    help="JPEG tiles finer than the patches: full decodes all pixels, fast a half, quarter or "
    "eighth of each side, auto does so where it makes next to no difference.",
)
@click.option(
    "--origin",
    type=click.Choice(["auto", "level0", "bounds"]),
    default="auto",
    show_default=True,
    help="Where GeoJSON has (0, 0): as QuPath has it, the slide's corner, or its scanned part's.",
)
@click.option(
    "--annotations",
    type=options.local_path,
    metavar="FILE|DIR",
    help="What people drew: makes images and label masks that dfaseg train reads. A folder holds "
    "one file per slide, named after it.",
)
@click.option(
    "--class-map",
    type=options.local_path,
    metavar="TOML",
    help="Which names in annotations are which classes; the names themselves if not given.",
)
@click.option(
    "--group-by",
    type=click.Choice(["auto", "patient", "slide", "tile"]),
    default="auto",
    show_default=True,
    help="What is never parted between training, validation and test; auto is the patient where "
    "a .csv list has one, else the slide.",
)
@click.option(
    "--val-share",
    type=options.FiniteRange(0, 1),
    default=0.15,
    show_default=True,
    metavar="SHARE",
    help="Share of the images for validation.",
)
@click.option(
    "--test-share",
    type=options.FiniteRange(0, 1),
    default=0.15,
    show_default=True,
    metavar="SHARE",
    help="Share of the images for the test.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Another number gives other splits.",
)
@options.workers_option
@options.overwrite_option
@options.shard_option
def tile(*, slides: tuple[str, ...], **arguments: Any) -> None:
    """Cut each SLIDE into tiles: a table, a grid for QuPath, a picture, and patches if wanted.

    With --annotations the tiles become a data set: dfaseg train --dataset folder --root DIR.

    SLIDE is a whole-slide image, a folder of them, a pattern, a .txt or .csv list, a URL, or
    "sample", a small slide that is built in. Slides that are finished are skipped when the same
    command is given again.
    """
    from dfaseg.cli.progress import report_progress, stop_on_signals
    from dfaseg.cli.shard import chosen_share
    from dfaseg.cutting.many import tile_slides
    from dfaseg.cutting.slide_ids import refuse_taken_ids
    from dfaseg.slide.inputs import find_slide_inputs

    shard = arguments.pop("shard")
    spec = _spec(arguments)
    sources = find_slide_inputs(slides)
    refuse_taken_ids(sources)
    with stop_on_signals("this row of tiles") as stop:
        result = tile_slides(
            sources,
            spec,
            share=chosen_share(shard, len(sources)),
            show=lambda name: report_progress(name, "tiles"),
            stop=stop,
        )
    _show(result)
    if result.failures:
        click.get_current_context().exit(EXIT_SOME_FAILED)


def _spec(arguments: dict[str, Any]) -> "TileSpec":
    from dfaseg.cutting.spec import LabelSpec, TileSpec

    about_labels = {name: arguments.pop(name) for name in ("annotations", *_ABOUT_ANNOTATIONS)}
    labels = None
    if about_labels["annotations"] is not None:
        labels = LabelSpec(**about_labels)
    else:
        _refuse_given(_ABOUT_ANNOTATIONS)
    if arguments["save"] is None:
        arguments["save"] = "none" if labels is None else "png"
    return TileSpec(
        patch_px=arguments.pop("patch_size"),
        overlap_px=arguments.pop("overlap"),
        labels=labels,
        **arguments,
    )


def _refuse_given(names: Iterable[str]) -> None:
    """Refuse options that say something about annotations where there are none.

    Raises:
        UsageError: One was given, were it with the value that it has anyway.
    """
    context = click.get_current_context()
    for name in names:
        if context.get_parameter_source(name) not in {
            ParameterSource.DEFAULT,
            ParameterSource.DEFAULT_MAP,
        }:
            option = "--" + name.replace("_", "-")
            raise click.UsageError(
                f"{option} has no effect without --annotations; pass both or neither"
            )


def _show(result: "TileResult") -> None:
    """Print one line per slide, and what was left out."""
    from dfaseg.cli.columns import padded, widest

    width = widest(["slide", *(record.slide_id for record in result.slides)])
    click.echo(f"{'slide':<{width}}  {'tiles':>7}  {'tissue %':>8}  {'mm²':>9}")
    for record in result.slides:
        figures = f"{record.num_tiles:>7}  {record.tissue_percent:>8.2f}  {record.tissue_mm2:>9.3f}"
        click.echo(f"{padded(record.slide_id, width)}  {figures}  {_remarks(record)}".rstrip())
    if len(result.slides) > 1:
        tiles = sum(record.num_tiles for record in result.slides)
        mm2 = sum(record.tissue_mm2 for record in result.slides)
        click.echo(f"{'total':<{width}}  {tiles:>7}  {'':>8}  {mm2:>9.3f}")
    if result.dataset is not None:
        _show_dataset(result.dataset)
    click.echo(f"summary  {result.summary}")
    if result.failures:
        failed = ", ".join(result.failures)
        count = len(result.failures) + len(result.slides)
        click.echo(f"dfaseg: {len(result.failures)} of {count} slides failed: {failed}", err=True)


def _show_dataset(dataset: "DatasetSummary") -> None:
    """Print the pixels of each class in each split."""
    from dfaseg.cli.columns import padded, shortened, widest

    names = [shortened(name) for name in dataset.classes.names]
    width = widest(["images", *names])
    heads = [split or "all" for split in dataset.splits]
    totals = dataset.pixels.sum(axis=0).clip(1)
    click.echo()
    click.echo(f"{'pixels':<{width}}" + "".join(f"  {head:>20}" for head in heads))
    for name, counts in zip(names, dataset.pixels, strict=True):
        cells = (
            f"{count:>13} {100 * count / total:>5.1f}%"
            for count, total in zip(counts.tolist(), totals.tolist(), strict=True)
        )
        click.echo(padded(name, width) + "".join(f"  {cell:>20}" for cell in cells))
    for word, numbers in (("images", dataset.images), ("cases", dataset.cases)):
        click.echo(f"{word:<{width}}" + "".join(f"  {number:>20}" for number in numbers))
    click.echo()


def _remarks(record: "SlideRecord") -> str:
    """Say what the numbers of a slide do not."""
    remarks = [] if record.is_new else ["was there"]
    remarks += [record.note] if record.note else []
    if record.num_unreadable:
        tiles = counted(record.num_unreadable, "tile")
        remarks.append(f"{tiles} left out that cannot be decoded")
    if record.num_unlabelled:
        remarks.append(f"{record.num_unlabelled} without labels left out")
    return "; ".join(remarks)
