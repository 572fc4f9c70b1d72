"""Masks and truths on disk, for tests of ``dfaseg eval``."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from PIL import Image

from dfaseg.annotation import GeoJsonWriter, MaskFrame, Polygonizer, PolygonSpec
from dfaseg.classmap import IGNORE_INDEX, ClassMap
from dfaseg.cli.main import cli
from dfaseg.stitcher.mask_store import MaskWriter
from dfaseg.stitcher.ome import MaskSpec
from dfaseg.stitcher.overview_store import Overview

NAMES = ("stroma", "tumour", "mucus")
CLASSES = ClassMap.from_records(
    [{"index": i, "name": name, "colour": f"#{i}02030"} for i, name in enumerate(NAMES)]
)
SLIDE_MPP = 0.25
"""µm per level-0 px of the slide that masks are of."""


def blotches(height: int = 90, width: int = 120, seed: int = 0) -> NDArray[np.uint8]:
    """Return a mask of three classes in patches of some pixels, a part of it not analysed."""
    rng = np.random.default_rng(seed)
    cells = rng.choice(
        np.array([0, 1, 2, IGNORE_INDEX], np.uint8), (-(-height // 7), -(-width // 5))
    )
    return np.kron(cells, np.ones((7, 5), np.uint8))[:height, :width]


def write_store(
    path: Path,
    mask: NDArray[np.uint8],
    *,
    mpp: float = 0.5,
    slide_id: str | None = "slide",
    classes: ClassMap = CLASSES,
) -> Path:
    """Write a mask as ``predict`` does, of a whole slide of ``SLIDE_MPP``."""
    height, width = mask.shape
    centre = (mpp - SLIDE_MPP) / 2
    spec = MaskSpec(width, height, classes, mpp, mpp, origin_x_um=centre, origin_y_um=centre)
    writer = MaskWriter(path, spec)
    writer.begin(Overview(np.zeros((height, width, 3), np.uint8), 1))
    writer.write_rows(mask)
    scale = mpp / SLIDE_MPP
    record = {"slide": {"id": slide_id}, "level0_px_per_mask_px": [scale, scale]}
    writer.finish({} if slide_id is None else record)
    return path


def write_polygons(
    path: Path, mask: NDArray[np.uint8], *, scale: float = 2.0, classes: ClassMap = CLASSES
) -> Path:
    """Write a mask's polygons as ``predict`` does."""
    spec = PolygonSpec(classes, MaskFrame(scale, scale), 0.25, "slide")
    spool = path.with_name("spool")
    with (
        GeoJsonWriter(path, spec) as writer,
        Polygonizer(mask.shape[1], spool=spool) as polygonizer,
    ):
        writer.write(polygonizer.add_rows(mask))
        writer.write(polygonizer.finish())
    spool.unlink(missing_ok=True)
    return path


def write_picture(path: Path, mask: NDArray[np.uint8]) -> Path:
    """Write a grey picture whose values are the codes."""
    Image.fromarray(mask).save(path)
    return path


def write_classes(path: Path, classes: ClassMap = CLASSES) -> Path:
    """Write a class map."""
    tables = (
        f'[[class]]\nindex = {one.index}\nname = "{one.name}"\ncolour = "{one.hex_colour}"\n'
        for one in classes
    )
    path.write_text("".join(tables), encoding="utf-8")
    return path


def run_eval(*arguments: object) -> Result:
    """Run ``dfaseg eval`` in this process."""
    return CliRunner().invoke(cli, ["eval", *map(str, arguments)])


def scores_of(folder: Path) -> dict[str, Any]:
    """Read what was found."""
    record: dict[str, Any] = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    return record
