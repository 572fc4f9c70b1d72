"""``dfaseg export``: a mask in, one file for another program out."""

import logging
from typing import TYPE_CHECKING, Any

import click

from dfaseg.cli import options
from dfaseg.wording import counted

if TYPE_CHECKING:
    from dfaseg.exporting.export import ExportResult
    from dfaseg.exporting.spec import ExportSpec

log = logging.getLogger(__name__)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("mask", type=options.local_path, metavar="MASK.zarr")
@click.option(
    "--out",
    required=True,
    type=options.local_path,
    metavar="FILE",
    help="The file to write; its ending tells the format.",
)
@click.option(
    "--format",
    type=click.Choice(["geojson", "dsa", "ome-tiff", "png"]),
    help="What to write, whatever the ending.",
)
@click.option(
    "--simplify",
    type=options.FiniteRange(min=0),
    metavar="UM",
    help="Tolerance for simpler polygons; what predict was given if not given.",
)
@click.option(
    "--min-area",
    type=options.FiniteRange(min=0),
    metavar="UM2",
    help="Leave smaller polygons out; what predict was given if not given.",
)
@click.option(
    "--origin",
    type=click.Choice(["auto", "level0", "bounds"]),
    help="Where polygons have (0, 0); if not given, what predict was given for GeoJSON, level0 for"
    " the Digital Slide Archive.",
)
@options.overwrite_option
def export(**arguments: Any) -> None:
    """Write a mask in the form of another program.

    MASK.zarr is what 'dfaseg predict' wrote. FILE.geojson or FILE.geojson.gz has polygons for
    QuPath, FILE.json polygons for the Digital Slide Archive, FILE.ome.tif the class indices as a
    pyramid (OME-TIFF), FILE.png those of a small mask as a picture in the colours of its classes.
    """
    from dfaseg.cli.progress import report_progress, stop_on_signals
    from dfaseg.exporting.export import export_mask
    from dfaseg.exporting.spec import ExportSpec

    spec = ExportSpec(
        simplify_um=arguments.pop("simplify"),
        min_area_um2=arguments.pop("min_area"),
        **arguments,
    )
    with (
        stop_on_signals("these rows") as stop,
        report_progress(spec.mask.name, "rows") as progress,
    ):
        result = export_mask(spec, progress=progress, stop=stop)
    _show(spec, result)


def _show(spec: "ExportSpec", result: "ExportResult") -> None:
    """Print the file; how much it holds goes to stderr."""
    click.echo(f"{spec.chosen_format:<8}  {spec.out}")
    size = f"{result.num_bytes / 1e6:.1f} MB"
    if result.num_bytes < 1e5:
        size = f"{result.num_bytes / 1e3:.1f} kB"
    if result.num_polygons is not None:
        size = f"{counted(result.num_polygons, 'polygon')}, {size}"
    log.info("%s", size)
