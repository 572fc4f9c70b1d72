"""Slides cut into tiles in tests: small slides in memory or on disk, and what a run has written."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from PIL import Image

from dfaseg.cli.main import cli
from dfaseg.cutting.job import CutPlan, plan_cutting
from dfaseg.cutting.spec import TileSpec
from dfaseg.slide import ArraySlide
from tests.factories import tissue_like_image, write_tiff_slide


def spec_of(out: Path = Path("out"), **settings: Any) -> TileSpec:
    """Return a spec of small tiles on one thread, unless told else."""
    return TileSpec(out=out, **({"patch_px": 64, "workers": 1} | settings))


def memory_slide(width: int = 300, height: int = 200, **options: Any) -> ArraySlide:
    """Return a slide with tissue in about half of it."""
    return ArraySlide(tissue_like_image(width, height), slide_id="memory", **options)


def cut_of(slide: ArraySlide, **settings: Any) -> CutPlan:
    """Plan the cutting of a slide, all of it."""
    return plan_cutting(slide.info, slide.info.slide_id, spec_of(**settings), "none")


def slide_file(folder: Path, name: str = "a", *, seed: int = 0, **options: Any) -> Path:
    """Write a slide without loss, 600 × 400 px at 0.5 µm, and return its path."""
    options = {"compression": "deflate", "tile_px": 128, "downsamples": (1, 4)} | options
    image = tissue_like_image(600, 400, seed=seed)
    return write_tiff_slide(folder / f"{name}.tiff", image, **options)


def run_tile(*arguments: object) -> Result:
    """Run ``dfaseg tile`` in this process, on small tiles of whole slides unless told else."""
    given = [*map(str, arguments)]
    for option, value in (("--patch-size", "128"), ("--tissue", "none"), ("--workers", "1")):
        if option not in given:
            given += [option, value]
    return CliRunner().invoke(cli, ["tile", *given])


def table_of(out: Path, slide_id: str = "a") -> list[dict[str, str]]:
    """Read a slide's table of tiles."""
    with (out / slide_id / f"{slide_id}.tiles.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def picture_of(path: Path) -> NDArray[np.uint8]:
    """Read a picture."""
    return np.asarray(Image.open(path), np.uint8)


def written_files(out: Path) -> dict[str, bytes]:
    """Return all files of a folder but records, which hold times, and notes on manifests."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and not path.name.endswith(".tiles.json") and ".dfaseg" not in path.parts
    }


def write_annotations(path: Path, shapes: Sequence[tuple[str, Sequence[Sequence[float]]]]) -> Path:
    """Write polygons, each of one open ring, as QuPath would; return the path."""
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
            "properties": {"objectType": "annotation", "classification": {"name": name}},
        }
        for name, ring in shapes
    ]
    content = {"type": "FeatureCollection", "features": features}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def box(left: float, top: float, right: float, bottom: float) -> list[list[float]]:
    """Return the corners of a rectangle."""
    return [[left, top], [right, top], [right, bottom], [left, bottom]]
