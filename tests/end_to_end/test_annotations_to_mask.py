"""The whole road: annotated slides, tiles, a trained model, a mask, its scores."""

import csv
import json
import re
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from numpy.typing import NDArray

from dfaseg.annotation import rasterize
from dfaseg.classmap import IGNORE_INDEX
from dfaseg.cli.main import cli
from dfaseg.slide import open_slide
from dfaseg.tiler.overview import read_overview
from dfaseg.tiler.plan import plan_reading
from tests.cutting import picture_of, write_annotations
from tests.factories import write_tiff_slide

WIDTH, HEIGHT = 640, 384
CLASSES = ("Stroma", "Tumor")
QUICK = ("--preset", "tiny", "--batch-size", "4", "--device", "cpu", "--no-plots")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def _run(*arguments: object) -> str:
    result = CliRunner().invoke(cli, [*map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.stdout


def _picture(seed: int, border: int) -> NDArray[np.uint8]:
    """Return pink tissue left of a border and violet tissue right of it, on glass."""
    rng = np.random.default_rng(seed)
    image = np.full((HEIGHT, WIDTH, 3), 243.0)
    image[32:-32, 32:border] = (226, 158, 190)
    image[32:-32, border:-32] = (112, 72, 148)
    return np.clip(image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8)


def _outline(left: int, right: int) -> list[list[float]]:
    """Return a drawn rectangle with a kink, as by hand."""
    return [[left, 32], [right, 32], [right, HEIGHT - 32], [(left + right) / 2, 340], [left, 352]]


@pytest.mark.slow
def test_annotated_slides_become_a_mask(tmp_path: Path) -> None:
    """Every command takes what the one before has made, and the model has learnt the classes."""
    drawn = tmp_path / "drawn"
    drawn.mkdir()
    for seed, border in enumerate((256, 320, 384)):
        image = _picture(seed, border)
        write_tiff_slide(
            tmp_path / f"s{seed}.tiff", image, compression="deflate", downsamples=(1, 4), mpp=0.5
        )
        shapes = [("Stroma", _outline(32, border)), ("Tumor", _outline(border, WIDTH - 32))]
        write_annotations(drawn / f"s{seed}.geojson", shapes)
    data, run, out = tmp_path / "data", tmp_path / "run", tmp_path / "mask.zarr"

    told = _run(
        "tile", tmp_path / "*.tiff", "--out", data, "--annotations", drawn, "--patch-size", 64,
        "--mpp", 1,
    )  # fmt: skip
    _run(
        "train", "--dataset", "folder", "--root", data, "--out", run, "--epochs", 1, "--lr", 0.01,
        *QUICK,
    )  # fmt: skip
    _run(
        "predict", tmp_path / "s0.tiff", "--out", out, "--model", run / "model.safetensors",
        "--device", "cpu",
    )  # fmt: skip
    _run("eval", out, "--truth", drawn / "s0.geojson", "--out", tmp_path / "scores")

    assert [line.split()[0] for line in told.splitlines()[7:9]] == [*CLASSES]
    with out.with_name("mask.areas.csv").open(encoding="utf-8") as file:
        assert [line["class"] for line in csv.DictReader(file)] == [*CLASSES]
    scores = json.loads((tmp_path / "scores" / "scores.json").read_text("utf-8"))
    assert scores["pooled"]["macro_dice"] > 0.9


def test_real_slide_is_cut_into_what_it_shows(real_data: Path, tmp_path: Path) -> None:
    """Images are the slide as read at once, masks what was drawn on it, at another resolution."""
    path = real_data / "slides" / "CMU-1-Small-Region.svs"
    ring = np.array([[300.0, 400], [1700, 350], [1900, 1800], [900, 2400], [250, 1500]])
    drawn = write_annotations(tmp_path / "drawn.geojson", [("Tissue", ring.tolist())])

    _run(
        "tile", path, "--out", tmp_path / "out", "--annotations", drawn, "--group-by", "tile",
        "--patch-size", 256, "--overlap", 0, "--mpp", 0.75, "--decode", "full", "--workers", 2,
    )  # fmt: skip

    with closing(open_slide(path)) as slide:
        plan = plan_reading(slide.info, 0.75)
        dense = read_overview(slide, plan, num_workers=2).pixels
    scaled = ring / (plan.downsample_x, plan.downsample_y)
    truth = rasterize([(0, [scaled])], plan.width, plan.height)
    images = sorted((tmp_path / "out" / "images").iterdir())
    assert len(images) > 20
    for image in images:
        x, y = (
            round(int(part) / plan.downsample_x / 256) * 256
            for part in re.findall(r"\d+", image.stem)[-2:]
        )
        part = dense[y : y + 256, x : x + 256]
        label = truth[y : y + 256, x : x + 256]
        assert np.array_equal(picture_of(image)[: len(part), : part.shape[1]], part)
        mask = picture_of(tmp_path / "out" / "masks" / image.name)
        assert np.array_equal(mask[: len(label), : label.shape[1]], label)


@pytest.mark.slow
def test_real_slide_goes_the_whole_road(real_data: Path, tmp_path: Path) -> None:
    """A few outlines on a real slide become tiles, a network, a mask of the same slide, scores."""
    path = real_data / "slides" / "CMU-1-Small-Region.svs"
    epidermis = [[1180, 1650], [1400, 1700], [1420, 2200], [1250, 2300], [1180, 2000]]
    dermis = [[820, 1350], [1060, 1350], [1030, 2000], [780, 2500], [700, 2300]]
    shapes = [("Epidermis", epidermis), ("Dermis", dermis)]
    drawn = write_annotations(tmp_path / "drawn.geojson", shapes)
    data, run, out = tmp_path / "data", tmp_path / "run", tmp_path / "mask.zarr"

    _run(
        "tile", path, "--out", data, "--annotations", drawn, "--group-by", "tile", "--mpp", 1,
        "--patch-size", 64, "--tissue", "none",
    )  # fmt: skip
    _run("train", "--dataset", "folder", "--root", data, "--out", run, "--epochs", 3, *QUICK)
    _run(
        "predict", path, "--out", out, "--model", run / "model.safetensors", "--device", "cpu",
        "--tissue", "none",
    )  # fmt: skip
    _run("eval", out, "--truth", drawn, "--out", tmp_path / "scores")

    labelled = sum(
        int((picture_of(mask) != IGNORE_INDEX).sum()) for mask in (data / "masks").iterdir()
    )
    scores = json.loads((tmp_path / "scores" / "scores.json").read_text("utf-8"))
    counted = np.sum(scores["cases"][0]["confusion"])
    # Both count the pixels whose centre is in an outline, glass or not.
    assert labelled == counted
    assert scores["pooled"]["pixel_accuracy"] > 0.7
