"""``dfaseg predict``: slides in, masks, polygons, overlays and areas out."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dfaseg.cli import options
from dfaseg.errors import ConfigError
from dfaseg.wording import counted

if TYPE_CHECKING:
    from dfaseg.cli.predict_many import ManyOptions
    from dfaseg.inference.report import PredictResult
    from dfaseg.inference.spec import PredictSpec
    from dfaseg.storage.store_path import Place

_FILE_ENDINGS = frozenset({".tif", ".tiff", ".png", ".jpg", ".npy", ".json", ".geojson", ".zip"})
"""Of masks that other tools write; hardly of a folder that is meant."""

log = logging.getLogger(__name__)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("slides", nargs=-1, required=True, metavar="SLIDE...")
@click.option(
    "--out",
    required=True,
    type=options.place,
    metavar="MASK.zarr|FOLDER",
    help="The mask to write, or the folder for those of many slides, on a disk or in an object "
    "store (s3://...); polygons, overlay, areas and run record lie beside each.",
)
@click.option(
    "--model",
    metavar="NAME|FILE|URL",
    help="Model file, its name or address; the built-in colon model if not given.",
)
@click.option(
    "--geojson",
    type=options.place,
    metavar="PATH",
    help="Where the polygons of one slide go; .gz compresses them. Beside the mask if not given.",
)
@click.option(
    "--mpp",
    type=options.FiniteRange(min=0, min_open=True),
    metavar="UM",
    help="The slide's µm per pixel, in place of what its file says.",
)
@options.devices_option
@options.precision_option
@click.option(
    "--batch-size",
    type=options.AutoInt(1),
    default="auto",
    show_default=True,
    help="Patches per forward pass.",
)
@options.workers_option
@click.option(
    "--patch-size",
    type=click.IntRange(min=1),
    metavar="PX",
    help="Side of a patch; the model's own if not given.",
)
@click.option(
    "--overlap",
    type=click.IntRange(min=0),
    metavar="PX",
    help="Overlap of neighbouring patches; the model's own if not given.",
)
@click.option(
    "--decode",
    type=click.Choice(["auto", "full", "fast"]),
    default="auto",
    show_default=True,
    help="JPEG tiles finer than the model: full decodes all pixels, fast a half, quarter or "
    "eighth of each side, auto does so where it makes next to no difference.",
)
@click.option(
    "--blend",
    type=click.Choice(["gaussian", "uniform", "none"]),
    default="gaussian",
    show_default=True,
    help="How overlapping patches share a pixel.",
)
@click.option(
    "--tissue",
    default="auto",
    show_default=True,
    metavar="auto|none|FILE",
    help="What is analysed: found tissue, all, or where a picture of the slide is not black.",
)
@click.option(
    "--simplify",
    type=options.FiniteRange(min=0),
    default=0.0,
    show_default=True,
    metavar="UM",
    help="Tolerance for simpler polygons; 0 keeps every corner of the mask.",
)
@click.option(
    "--min-area",
    type=options.FiniteRange(min=0),
    default=0.0,
    show_default=True,
    metavar="UM2",
    help="Leave smaller polygons out.",
)
@click.option(
    "--origin",
    type=click.Choice(["auto", "level0", "bounds"]),
    default="auto",
    show_default=True,
    help="Where polygons have (0, 0): as QuPath has it, the slide's corner, or its scanned part's.",
)
@options.overwrite_option
@click.option(
    "--scratch",
    type=options.local_path,
    metavar="DIR",
    help="Folder on a local disk, such as $TMPDIR of a job: slides are copied there before they "
    "are read, and results are made there.",
)
@click.option(
    "--limit-memory",
    type=options.FiniteRange(min=0, min_open=True, max=1e6),
    metavar="GB",
    help="What a run may take; batches and threads are chosen to fit. What the job may take "
    "if not given.",
)
@click.option(
    "--on-error",
    type=click.Choice(["fail", "skip"]),
    help="What a slide that fails does to the others of a folder: ends the run, or is listed at "
    "the end (exit code 3). Default: skip.",
)
@options.shard_option
@click.option(
    "--dry-run", is_flag=True, help="Say what would be done with each slide, and do nothing."
)
def predict(slides: tuple[str, ...], out: "Place", **arguments: Any) -> None:
    """Segment slides into tissue classes.

    SLIDE is a whole-slide image, a picture, a folder, a pattern, a URL, a .txt or .csv list, or
    "sample", a small slide that is built in. One slide may go to MASK.zarr, any number to FOLDER.
    A run that was stopped goes on where it was when the same command is given again.
    """
    from dfaseg.allocator import bound_arenas
    from dfaseg.limits import available_cores

    bound_arenas(available_cores())
    from dfaseg.cli.predict_many import ManyOptions, predict_many
    from dfaseg.inference.spec import PredictSpec

    many = ManyOptions(*(arguments.pop(name) for name in ("on_error", "shard", "dry_run")))
    is_one = out.suffix == ".zarr"
    if is_one:
        _check_one(slides, out, many)
    elif out.suffix.lower() in _FILE_ENDINGS and not (isinstance(out, Path) and out.is_dir()):
        raise ConfigError(
            f"output '{out}': a mask's name must end in .zarr; for many slides name a folder"
        )
    spec = PredictSpec(
        slide=slides[0],
        out=out if is_one else out / "slide.zarr",
        patch_px=arguments.pop("patch_size"),
        overlap_px=arguments.pop("overlap"),
        simplify_um=arguments.pop("simplify"),
        min_area_um2=arguments.pop("min_area"),
        limit_memory_bytes=_bytes_of(arguments.pop("limit_memory")),
        **arguments,
    )
    if is_one:
        _predict_one(spec)
    else:
        predict_many(slides, out, spec, many)


def _bytes_of(gigabytes: float | None) -> int | None:
    return None if gigabytes is None else max(1, round(gigabytes * 1e9))


def _check_one(slides: tuple[str, ...], out: "Place", many: "ManyOptions") -> None:
    """Make sure that nothing is asked of one mask that only a folder can give."""
    if len(slides) > 1:
        raise click.UsageError(
            f"--out {out}: is the mask of one slide; for {len(slides)} slides give a folder"
        )
    if many.on_error or many.shard or many.dry_run:
        raise click.UsageError(
            f"--on-error, --shard and --dry-run are for many slides; --out {out} is the mask of "
            "one, give a folder"
        )


def _predict_one(spec: "PredictSpec") -> None:
    from dfaseg.cli.progress import report_progress, stop_on_signals
    from dfaseg.inference.pipeline import predict_slide

    with stop_on_signals() as stop, report_progress(Path(spec.slide).name) as progress:
        result = predict_slide(spec, progress=progress, stop=stop)
    _show(result)


def _show(result: "PredictResult") -> None:
    """Print areas and files; plain text, so that it can be read by people and cut by scripts."""
    from dfaseg.cli.columns import padded, shortened, widest

    names = [shortened(area.name) for area in result.areas.areas]
    width = widest(["analysed", *names])
    click.echo(f"{'class':<{width}}  {'mm²':>10}  {'%':>6}")
    for name, area in zip(names, result.areas.areas, strict=True):
        click.echo(f"{padded(name, width)}  {area.mm2:>10.4f}  {area.percent:>6.2f}")
    total = result.areas.analysed_mm2
    click.echo(f"{'analysed':<{width}}  {total:>10.4f}  {100.0 if total else 0.0:>6.2f}")
    kinds = ("mask", "polygons", "overlay", "areas", "record")
    for kind, place in zip(kinds, map(_relative, result.places.finals), strict=True):
        click.echo(f"{kind:<8}  {place}")
    patches = counted(result.num_tiles, "patch", "patches")
    polygons = counted(result.num_polygons, "polygon")
    log.info("%s, %s in %.1f s", patches, polygons, result.seconds)


def _relative(place: "Place") -> str:
    """Shorten a path below the working folder."""
    here = Path.cwd()
    if isinstance(place, Path) and place.is_relative_to(here):
        return str(place.relative_to(here))
    return str(place)
