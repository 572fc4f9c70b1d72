"""Real slides of six makers through the command, with a tiny network at a coarse resolution."""

from pathlib import Path

import numpy as np
import pytest

from dfaseg.classmap import IGNORE_INDEX
from tests.model_files import write_tiny_model
from tests.predicting import everything_below, mask_of, rasterized, record_of, run_command

pytestmark = pytest.mark.slow

MPP = 4.0


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tiny model that looks at slides from afar; tests only read it."""
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    return write_tiny_model(path, mpp=MPP, mpp_range=(0.05, 6.0), patch_px=128, overlap_px=32)


@pytest.mark.parametrize(
    ("name", "arguments", "size", "share"),
    [
        ("CMU-1-Small-Region.svs", [], (278, 371), (0.35, 0.75)),
        ("CMU-1-Small-Region.jp2.tiff", ["--mpp", 0.499], (278, 371), (0.35, 0.75)),
        ("CMU-1-Small-Region.jpeg.tiff", ["--mpp", 0.499], (278, 371), (0.35, 0.75)),
        ("TCGA-CR-7395-01A-01-TS1.svs", ["--mpp", 0.5], (556, 446), (0.3, 0.95)),
        ("marrow-smear-jpeg.dcm", ["--mpp", 1.4, "--tissue", "none"], (335, 251), (1, 1)),
    ],
)
def test_real_slide_is_segmented(
    real_data: Path,
    model: Path,
    tmp_path: Path,
    name: str,
    arguments: list[object],
    size: tuple[int, int],
    share: tuple[float, float],
) -> None:
    """Size and analysed share are those of the slide, and polygons are the mask."""
    slide = real_data / "slides" / name

    result = run_command(slide, "--out", tmp_path / "m.zarr", "--model", model, *arguments)

    assert result.exit_code == 0, result.output
    mask = mask_of(tmp_path / "m.zarr")
    np.testing.assert_allclose(mask.shape[::-1], size, atol=3)
    assert share[0] <= (mask != IGNORE_INDEX).mean() <= share[1]
    np.testing.assert_array_equal(rasterized(tmp_path / "m.zarr", mask.shape), mask)
    assert record_of(tmp_path / "m.zarr")["unreadable_native_tiles"] == []


def test_fluorescence_is_said_and_not_analysed(
    real_data: Path, model: Path, tmp_path: Path
) -> None:
    """DAPI on black: a result that says why it is empty."""
    slide = real_data / "slides" / "fluorescence-DAPI.ndpi"

    result = run_command(slide, "--out", tmp_path / "m.zarr", "--model", model)

    assert result.exit_code == 0, result.output
    assert "fluorescence" in result.stderr
    assert len(list(tmp_path.iterdir())) == 5
    assert (mask_of(tmp_path / "m.zarr") == IGNORE_INDEX).all()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("TCGA-CR-7395-01A-01-TS1.svs", ["no resolution in its metadata", "pass --mpp"]),
        ("CMU-1-Small-Region.jpeg.tiff", ["0.00499", "which no slide has", "pass --mpp"]),
        ("marrow-smear-jpeg.dcm", ["16.7", "does not fit model 'tiny'", "pass --mpp"]),
        ("broken.svs", ["broken.svs", "no reader understands it"]),
    ],
)
def test_real_slide_is_refused_in_one_line(
    real_data: Path, model: Path, tmp_path: Path, name: str, words: list[str]
) -> None:
    """What is wrong and what to do, and nothing is left behind."""
    slide = real_data / "slides" / name

    result = run_command(slide, "--out", tmp_path / "m.zarr", "--model", model)

    assert result.exit_code == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("dfaseg: error: slide '")
    for word in words:
        assert word in line
    assert everything_below(tmp_path) == {}


def test_sample_with_the_default_model(tmp_path: Path) -> None:
    """The newcomer's first command."""
    result = run_command("sample", "--out", tmp_path / "sample.zarr")

    assert result.exit_code == 0, result.output
    assert len(list(tmp_path.iterdir())) == 5
    mask = mask_of(tmp_path / "sample.zarr")
    assert 0.1 < (mask != IGNORE_INDEX).mean() < 0.9
    assert record_of(tmp_path / "sample.zarr")["polygons"] > 0
