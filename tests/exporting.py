"""Finished masks to export, and what an export has written."""

from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from dfaseg.annotation import rasterize, read_annotations
from dfaseg.classmap import IGNORE_INDEX
from dfaseg.cli.main import cli
from dfaseg.stitcher.mask_store import MaskWriter
from dfaseg.stitcher.ome import MaskSpec
from dfaseg.stitcher.overview_store import Overview
from tests.outlines import CLASSES

SLIDE_MPP = 0.25
"""µm per level-0 px of the slide that masks are of."""
BOUNDS = (40, 24, 400, 300)


def record_of(scale: float, **changes: Any) -> dict[str, Any]:
    """Return what ``predict`` notes down in a mask."""
    bounds = changes.pop("bounds", None)
    recipe = {"origin": "auto", "simplify_um": 0.0, "min_area_um2": 0.0, "blend": "none"}
    return {
        "tool": "dfaseg",
        "version": "0.1.0",
        "recipe": recipe,
        "slide": {"id": "slide", "mpp": SLIDE_MPP, "bounds": bounds},
        "model": {"name": "tiny"},
        "level0_px_per_mask_px": [scale, scale],
    } | changes


def write_mask(path: Path, mask: NDArray[np.uint8], *, scale: float = 2.0, **changes: Any) -> Path:
    """Write a mask as ``predict`` does, with changes to its record."""
    height, width = mask.shape
    mpp, centre = scale * SLIDE_MPP, (scale - 1) / 2 * SLIDE_MPP
    spec = MaskSpec(width, height, CLASSES, mpp, mpp, origin_x_um=centre, origin_y_um=centre)
    writer = MaskWriter(path, spec)
    writer.begin(Overview(np.zeros((1, 1, 3), np.uint8), 1))
    writer.write_rows(mask)
    writer.finish(record_of(scale, **changes))
    return path


def run_export(*arguments: object) -> Result:
    """Run ``dfaseg export`` in this process."""
    return CliRunner().invoke(cli, ["export", *map(str, arguments)])


def export_to(mask: Path, out: Path, *more: object) -> Path:
    """Run the command and check that all is well and nothing else was left."""
    result = run_export(mask, "--out", out, *more)
    assert result.exit_code == 0, result.output
    assert not list(out.parent.glob(".*.tmp"))
    return out


def filled(polygons: Path, shape: tuple[int, int], *, scale: float = 2.0) -> NDArray[np.uint8]:
    """Fill the polygons of a file, whatever its origin, into a mask of ``shape``."""
    index_of = {entry.name: entry.index for entry in CLASSES}
    shapes = [
        (
            index_of[polygon.class_name],
            [np.rint(np.asarray(ring) / scale) for ring in polygon.rings],
        )
        for polygon in read_annotations(polygons).polygons
    ]
    return rasterize(shapes, shape[1], shape[0], background=IGNORE_INDEX)
