"""What a GPU does besides the network changes no byte of a result.

Where there is no GPU the CPU plays its part: the same code, with nothing running beside it.
"""

import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from dfaseg.errors import ConfigError, StoppedError
from dfaseg.inference import places
from dfaseg.inference.on_device.patch_stream import DevicePatchStream
from dfaseg.inference.on_device.row_band import RowBand
from tests.factories import tissue_like_image, write_tiff_slide
from tests.model_files import write_tiny_model
from tests.predicting import mask_of, predict, written_bytes

SETTINGS = {"tissue": "auto", "device": "cpu", "precision": "fp32", "patch_px": 64, "workers": 2}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A slide of which one tile is not stored, and a tiny model."""
    folder = tmp_path_factory.mktemp("files")
    slide = write_tiff_slide(
        folder / "s.tif", tissue_like_image(900, 1400, seed=3), tile_px=64, missing=[(0, 4, 4)]
    )
    return {
        "slide": slide,
        "model": write_tiny_model(folder / "tiny.safetensors", mpp=1.4, mpp_range=(0.05, 2.0)),
    }


@pytest.fixture
def on_device(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let runs work as on a GPU; the list tells which streams they opened."""
    opened: list[str] = []

    class Noting(DevicePatchStream):
        def __init__(self, *arguments: object, **settings: object) -> None:
            opened.append("device")
            super().__init__(*arguments, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(places, "works_on_device", lambda _network: True)
    monkeypatch.setattr(places, "DevicePatchStream", Noting)
    return opened


def run(out: Path, files: dict[str, Path], **settings: object) -> dict[str, bytes]:
    """Segment the slide; return the files written."""
    predict(out, files["slide"], model=str(files["model"]), **(SETTINGS | settings))
    return written_bytes(out)


@pytest.mark.parametrize(
    "mpp", [None, 0.7, 0.25, 0.217, 2.0], ids=["14/5", "2", "7/5", "21/13", "7/10"]
)
def test_results_are_the_bytes_of_the_host(
    tmp_path: Path, files: dict[str, Path], on_device: list[str], mpp: float | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """At any scale, also at those at which the device leaves the shrinking to the host."""
    found = run(tmp_path / "device.zarr", files, mpp=mpp)
    assert on_device == ([] if mpp == 2.0 else ["device"])
    monkeypatch.undo()
    expected = run(tmp_path / "host.zarr", files, mpp=mpp)

    assert found == expected
    assert len(np.unique(mask_of(tmp_path / "device.zarr"))) > 2


def test_a_run_stopped_on_the_host_goes_on_on_the_device(
    tmp_path: Path, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch, on_device: list[str]
) -> None:
    """The saved state is of neither: the same bytes, wherever each part was computed."""
    monkeypatch.setattr(places, "works_on_device", lambda _network: False)
    expected = run(tmp_path / "whole.zarr", files)
    stop = threading.Event()

    def progress(done: int, _total: int) -> None:
        if done >= 8:
            stop.set()

    with pytest.raises(StoppedError):
        predict(
            tmp_path / "m.zarr", files["slide"], model=str(files["model"]), batch_size=1,
            run={"stop": stop, "progress": progress}, **SETTINGS,
        )  # fmt: skip
    assert not on_device
    monkeypatch.setattr(places, "works_on_device", lambda _network: True)

    assert run(tmp_path / "m.zarr", files) == expected
    assert on_device == ["device"]


def test_a_device_without_memory_for_rows_is_said_so(
    tmp_path: Path, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch, on_device: list[str]
) -> None:
    """Not only the network may lack it; the message names the setting that helps."""

    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(RowBand, "append", fail)

    with pytest.raises(ConfigError, match="device 'cpu': no memory left beside the network"):
        run(tmp_path / "m.zarr", files)
    assert on_device == ["device"]


@pytest.mark.gpu
@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_a_gpu_agrees_with_the_cpu(tmp_path: Path, files: dict[str, Path], batch_size: int) -> None:
    """In fp32 hardly a pixel differs: only logits that tie to rounding can."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    run(tmp_path / "cpu.zarr", files)

    run(tmp_path / "gpu.zarr", files, device="cuda", batch_size=batch_size)
    run(tmp_path / "again.zarr", files, device="cuda", batch_size=batch_size)

    masks = [mask_of(tmp_path / f"{name}.zarr") for name in ("cpu", "gpu", "again")]
    assert (masks[0] == 255).sum() == (masks[1] == 255).sum()
    assert (masks[0] != masks[1]).mean() < 1e-3
    np.testing.assert_array_equal(masks[1], masks[2])
