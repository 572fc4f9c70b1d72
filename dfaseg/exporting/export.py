"""A mask in, one file for another program out."""

import os
import threading
from dataclasses import dataclass

from dfaseg.errors import OutputError, OutputExistsError
from dfaseg.exporting.mask_source import Progress, open_source
from dfaseg.exporting.ome_tiff import write_ome_tiff
from dfaseg.exporting.ownership import is_export
from dfaseg.exporting.png import write_png
from dfaseg.exporting.polygons import write_polygons
from dfaseg.exporting.spec import POLYGON_FORMATS, ExportSpec
from dfaseg.files import check_folder, remove_leftovers
from dfaseg.stitcher.mask_folder import enclosing_zarr


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What was written.

    Attributes:
        num_bytes: Size of the file.
        num_polygons: Polygons in it; None where it holds pixels.
    """

    num_bytes: int
    num_polygons: int | None


def export_mask(
    spec: ExportSpec,
    *,
    progress: Progress = lambda _done, _all: None,
    stop: threading.Event | None = None,
) -> ExportResult:
    """Write a mask in another form; the file appears whole or not at all.

    Args:
        spec: What to do.
        progress: Told how many rows of the mask are done.
        stop: Set from elsewhere to stop soon.

    Raises:
        ConfigError: A setting is impossible for this mask.
        OutputError: The mask cannot be read, or the file not written or is there already.
        StoppedError: ``stop`` was set; nothing was written.
    """
    _check_place(spec)
    remove_leftovers(spec.out)
    mask = open_source(spec.mask, progress, stop or threading.Event())
    num_polygons = None
    if spec.chosen_format in POLYGON_FORMATS:
        num_polygons = write_polygons(mask, spec)
    elif spec.chosen_format == "ome-tiff":
        write_ome_tiff(mask, spec)
    else:
        write_png(mask, spec)
    return ExportResult(spec.out.stat().st_size, num_polygons)


def _check_place(spec: ExportSpec) -> None:
    """Make sure that the file may be written before any work is done.

    Raises:
        OutputExistsError: Something is there that may not be replaced.
        OutputError: There is no such folder, or it is a part of a mask.
    """
    folder = spec.out.absolute().parent
    check_folder(folder)
    zarr = enclosing_zarr(spec.out)
    if zarr is not None:
        raise OutputError(
            f"output '{spec.out}': would lie inside '{zarr}', which is a mask or another Zarr"
            " folder; choose another --out"
        )
    if not os.path.lexists(spec.out):
        return
    if spec.out.is_dir():
        raise OutputExistsError(f"output '{spec.out}': is a folder; choose another --out")
    if not is_export(spec.out):
        raise OutputExistsError(
            f"output '{spec.out}': is there already, was not written by dfaseg and is never"
            " replaced; move it away or choose another --out"
        )
    if not spec.overwrite:
        raise OutputExistsError(
            f"output '{spec.out}': already there; pass --overwrite to replace it or choose"
            " another --out"
        )
