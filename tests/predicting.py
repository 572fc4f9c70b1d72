"""Whole runs of ``predict`` in tests: networks with a known answer, and what a run has written."""

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from torch.nn import functional

from dfaseg.annotation.rasterize import rasterize
from dfaseg.annotation.read_annotations import read_annotations
from dfaseg.classmap import IGNORE_INDEX
from dfaseg.cli.main import cli
from dfaseg.inference import opening, pipeline
from dfaseg.inference.pipeline import predict_slide
from dfaseg.inference.report import PredictResult
from dfaseg.inference.spec import PredictSpec
from dfaseg.model.device import Precision
from dfaseg.model.forward_pass import ForwardPass, PixelScaling
from dfaseg.model.network import Network
from dfaseg.slide import Slide
from dfaseg.stitcher.mask_reader import read_mask
from dfaseg.storage.store_path import Place
from tests.model_files import tiny_card

CPU = torch.device("cpu")
RECORD_ENDING = ".run.json"
"""The only file of a result that holds times and places, and so differs from run to run."""


def network_of(
    forward: Callable[[torch.Tensor], torch.Tensor], *, stride: int = 1, **card: Any
) -> Network:
    """Return a network of three classes that sees pixel values 0-255 as they are."""
    return Network(
        card=tiny_card(**card),
        sha256="0" * 64,
        run=ForwardPass(
            CPU,
            Precision.FP32,
            PixelScaling(torch.ones(3), torch.zeros(3)),
            forward,
        ),
        logit_stride=stride,
    )


def identity_network(stride: int = 1, **card: Any) -> Network:
    """Return a network whose logits are the image's own channels, averaged to its stride."""
    return network_of(
        lambda images: functional.avg_pool2d(images.contiguous(), stride), stride=stride, **card
    )


def use(
    monkeypatch: pytest.MonkeyPatch, *, network: Network | None = None, slide: Slide | None = None
) -> None:
    """Let runs take a network or a slide from memory instead of a file."""
    if network is not None:
        monkeypatch.setattr(pipeline, "resolve_model", lambda _name: Path("memory"))
        monkeypatch.setattr(pipeline, "load_network", lambda _path, **_options: network)
    if slide is not None:
        monkeypatch.setattr(opening, "open_slide", lambda _location, **_options: slide)


def predict(
    out: Place,
    slide: str | Path = "memory",
    *,
    run: Mapping[str, Any] = MappingProxyType({}),
    **settings: Any,
) -> PredictResult:
    """Run one prediction on one reading thread and without a tissue detector, unless told else.

    Args:
        out: The mask.
        slide: The slide.
        run: Other arguments of ``predict_slide``.
        settings: Of the ``PredictSpec``.
    """
    settings = {"tissue": "none", "workers": 1} | settings
    return predict_slide(PredictSpec(slide=str(slide), out=out, **settings), **run)


def stop_after(batches: int) -> dict[str, Any]:
    """Return the arguments of a run that is asked to stop after some batches."""
    stop = threading.Event()
    calls = iter(range(10**6))

    def progress(_done: int, _total: int) -> None:
        if next(calls) >= batches:
            stop.set()

    return {"progress": progress, "stop": stop}


def run_command(*arguments: object) -> Result:
    """Run ``dfaseg predict`` in this process."""
    return CliRunner().invoke(cli, ["predict", *map(str, arguments)])


def mask_of(out: Path) -> NDArray[np.uint8]:
    """Read the finest level of a mask."""
    return read_mask(out)


def written_bytes(out: Path) -> dict[str, bytes]:
    """Return the bytes of all files of one result, without its run record."""
    stem, folder = out.name.removesuffix("zarr"), out.parent
    return {
        path.relative_to(folder).as_posix().removeprefix(stem): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.relative_to(folder).as_posix().startswith(stem)
        and not path.name.endswith(RECORD_ENDING)
    }


def record_of(out: Path) -> dict[str, Any]:
    """Read the run record of a result."""
    text = out.with_name(out.name.removesuffix(".zarr") + RECORD_ENDING).read_text("utf-8")
    record: dict[str, Any] = json.loads(text)
    return record


def geojson_of(out: Path) -> dict[str, Any]:
    """Read the polygons of a result."""
    record: dict[str, Any] = json.loads(out.with_suffix(".geojson").read_text("utf-8"))
    return record


def rasterized(out: Path, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Fill the polygons of a result into a mask of ``shape``, by what the file says of its frame.

    Class names are those of ``tiny_card``.
    """
    scale = np.array(geojson_of(out)["dfaseg"]["mask_scale"])
    shapes = [
        (
            int(polygon.class_name.removeprefix("class ")),
            [np.rint(ring / scale) for ring in polygon.rings],
        )
        for polygon in read_annotations(out.with_suffix(".geojson")).polygons
    ]
    return rasterize(shapes, shape[1], shape[0], background=IGNORE_INDEX)


def everything_below(folder: Path) -> dict[str, bytes | None]:
    """Return all entries of a folder, hidden ones too, with the bytes of files."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }
