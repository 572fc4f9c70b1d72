"""From a slide to the files of other programs: what ``predict`` writes, ``export`` writes again."""

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import tifffile

from dfaseg.annotation import rasterize, read_annotations
from dfaseg.classmap import IGNORE_INDEX
from dfaseg.geometry import Rect
from dfaseg.stitcher.mask_reader import open_mask
from tests.exporting import export_to
from tests.factories import tissue_like_image, write_scn_slide, write_tiff_slide
from tests.model_files import write_tiny_model
from tests.predicting import mask_of, run_command


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model; tests only read it."""
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.safetensors")


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small slide; tests only read it."""
    path = tmp_path_factory.mktemp("slide") / "s.tif"
    return write_tiff_slide(path, tissue_like_image(120, 90))


def predict(slide: object, out: Path, *more: object) -> Path:
    """Run ``dfaseg predict`` and return the mask's path."""
    result = run_command(slide, "--out", out, "--tissue", "none", "--workers", 1, *more)
    assert result.exit_code == 0, result.output
    return out


OPTIONS = [(), ("--simplify", 2.0, "--min-area", 12.5), ("--origin", "level0")]


@pytest.mark.parametrize("options", OPTIONS, ids=["exact", "simplified", "level0"])
def test_polygons_are_those_of_predict(
    tmp_path: Path, slide: Path, model: Path, options: tuple[object, ...]
) -> None:
    """The same bytes as in the file beside the mask, with its options given again or not."""
    plain = predict(slide, tmp_path / "a.zarr", "--model", model)
    mask = predict(slide, tmp_path / "b.zarr", "--model", model, *options)
    theirs = mask.with_suffix(".geojson").read_bytes()
    assert export_to(mask, tmp_path / "same.geojson").read_bytes() == theirs
    assert export_to(plain, tmp_path / "asked.geojson", *options).read_bytes() == theirs


def test_polygons_of_a_slide_with_bounds_are_those_of_predict(tmp_path: Path, model: Path) -> None:
    """The mask knows the corner from which QuPath counts."""
    slide = write_scn_slide(
        tmp_path / "s.scn",
        np.full((100, 120, 3), (226, 158, 190), np.uint8),
        level0_bounds=Rect(120, 72, 120, 100),
        canvas=(260, 200),
    )
    mask = predict(slide, tmp_path / "m.zarr", "--model", model)
    again = export_to(mask, tmp_path / "again.geojson")
    assert again.read_bytes() == mask.with_suffix(".geojson").read_bytes()
    assert b'"origin": [120, 72]' in again.read_bytes()[:300]


@pytest.mark.slow
def test_sample_in_every_form(tmp_path: Path) -> None:
    """The archive's polygons and the label image agree with the mask to the pixel."""
    if not (files("dfaseg.model") / "weights" / "default.safetensors").is_file():
        pytest.skip("this installation holds no default model")
    path = predict("sample", tmp_path / "m.zarr")
    mask, reader = mask_of(path), open_mask(path)

    annotations = read_annotations(export_to(path, tmp_path / "m.json"))
    image = tifffile.imread(export_to(path, tmp_path / "m.ome.tif"))

    scale = np.array(reader.record["level0_px_per_mask_px"])
    index_of = {entry.name: entry.index for entry in reader.spec.classes}
    shapes = [
        (index_of[one.class_name], [np.rint(np.asarray(ring) / scale) for ring in one.rings])
        for one in annotations.polygons
    ]
    assert annotations.num_repaired == 0
    assert dict(annotations.skipped) == {}
    filled = rasterize(shapes, mask.shape[1], mask.shape[0], background=IGNORE_INDEX)
    assert np.array_equal(filled, mask)
    assert np.array_equal(image, mask)
