"""Runs that decode JPEG tiles smaller: near the exact run, told in the record, never mixed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfaseg.errors import StoppedError
from dfaseg.inference.outputs import OutputPaths
from tests.end_to_end.test_resume import stop_after
from tests.factories import tissue_like_image, write_tiff_slide
from tests.predicting import identity_network, mask_of, predict, record_of, use, written_bytes

TILING = {"patch_px": 32, "overlap_px": 8, "batch_size": 3, "checkpoint_seconds": 0.0}


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A JPEG slide twice as fine as the network, of a size that no tile divides."""
    path = tmp_path_factory.mktemp("slide") / "fine.tif"
    image = tissue_like_image(331, 475, seed=3)
    return write_tiff_slide(path, image, tile_px=64, compression="jpeg", quality=80, mpp=0.25)


@pytest.fixture(autouse=True)
def network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer with the colours of the slide at 0.5 µm per pixel."""
    use(monkeypatch, network=identity_network(2, mpp=0.5))


def reduction_of(out: Path) -> dict[str, int]:
    """Return what the run record says of decoding."""
    reduction: dict[str, int] = record_of(out)["result"]["recipe"]["reduction"]
    return reduction


def test_decoding_is_a_part_of_the_recipe(tmp_path: Path, slide: Path) -> None:
    """Who compares two results can see that they were decoded in different ways."""
    predict(tmp_path / "auto.zarr", slide, **TILING)
    predict(tmp_path / "full.zarr", slide, decode="full", **TILING)

    assert reduction_of(tmp_path / "auto.zarr")["patches"] == 2
    assert reduction_of(tmp_path / "full.zarr") == {"patches": 1, "overview": 1}


def test_mask_is_nearly_that_of_full_decoding(tmp_path: Path, slide: Path) -> None:
    """The frame is the same, and few pixels are so near a border that they change sides."""
    predict(tmp_path / "auto.zarr", slide, **TILING)
    predict(tmp_path / "full.zarr", slide, decode="full", **TILING)

    masks = [mask_of(tmp_path / f"{name}.zarr") for name in ("auto", "full")]
    assert masks[0].shape == masks[1].shape == (238, 166)
    assert (masks[0] != masks[1]).mean() < 0.05


@pytest.mark.parametrize("settings", [{"workers": 3}, {"batch_size": 7}], ids=str)
def test_results_do_not_depend_on_how_the_work_is_cut(
    tmp_path: Path, slide: Path, settings: dict[str, Any]
) -> None:
    """Threads and batches change no byte."""
    predict(tmp_path / "one.zarr", slide, **TILING)
    predict(tmp_path / "other.zarr", slide, **(TILING | settings))

    assert written_bytes(tmp_path / "one.zarr") == written_bytes(tmp_path / "other.zarr")


def test_stopped_run_ends_with_the_same_bytes(tmp_path: Path, slide: Path) -> None:
    """Going on in the middle reads the rows it needs at the same size."""
    predict(tmp_path / "whole.zarr", slide, **TILING)
    with pytest.raises(StoppedError):
        predict(tmp_path / "stopped.zarr", slide, run=stop_after(9), **TILING)

    predict(tmp_path / "stopped.zarr", slide, **TILING)

    assert written_bytes(tmp_path / "stopped.zarr") == written_bytes(tmp_path / "whole.zarr")


def test_stopped_run_does_not_go_on_with_another_decoding(tmp_path: Path, slide: Path) -> None:
    """One mask is never made of two kinds of pixels: the run begins anew."""
    predict(tmp_path / "whole.zarr", slide, decode="full", **TILING)
    with pytest.raises(StoppedError):
        predict(tmp_path / "stopped.zarr", slide, run=stop_after(9), **TILING)
    assert OutputPaths.beside(tmp_path / "stopped.zarr").partial.exists()

    predict(tmp_path / "stopped.zarr", slide, decode="full", **TILING)

    assert written_bytes(tmp_path / "stopped.zarr") == written_bytes(tmp_path / "whole.zarr")


def test_fast_decodes_smaller_where_auto_does_not(
    tmp_path: Path, slide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 14/5 halves would have to be averaged by 7/5, which blurs."""
    use(monkeypatch, network=identity_network(2, mpp=0.7))
    for decode in ("auto", "fast"):
        predict(tmp_path / f"{decode}.zarr", slide, decode=decode, **TILING)

    assert reduction_of(tmp_path / "auto.zarr")["patches"] == 1
    assert reduction_of(tmp_path / "fast.zarr")["patches"] == 2
    masks = [mask_of(tmp_path / f"{decode}.zarr") for decode in ("auto", "fast")]
    assert masks[0].shape == masks[1].shape
    assert np.mean(masks[0] != masks[1]) < 0.05
