"""What ``--limit-memory`` is decided by holds: a run takes no more than was estimated."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.factories import tissue_like_image, write_tiff_slide
from tests.model_files import write_tiny_model
from tests.predicting import record_of, run_command

SLACK_BYTES = 250e6
"""The fixed part of an estimate, which small slides do not use up."""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no resident size to be had")
@pytest.mark.parametrize(
    ("width", "height", "patch_px", "options"),
    [
        (600, 500, 128, ["--batch-size", "4", "--workers", "1"]),
        (8000, 1200, 256, ["--batch-size", "16", "--workers", "2"]),
        (3000, 6000, 512, ["--batch-size", "32", "--workers", "4"]),
        (3000, 3000, 256, []),
    ],
    ids=["small", "wide", "large batches", "automatic"],
)
def test_run_takes_no_more_than_estimated(
    tmp_path: Path, width: int, height: int, patch_px: int, options: list[str]
) -> None:
    """Measured by the system, from when the slide was open to the end."""
    model = write_tiny_model(tmp_path / "tiny.safetensors", patch_px=patch_px, overlap_px=64)
    block = tissue_like_image(1000, 500)
    image = np.tile(block, (-(-height // 500), -(-width // 1000), 1))[:height, :width]
    slide = write_tiff_slide(tmp_path / "s.tif", image)
    out = tmp_path / "s.zarr"
    command = [sys.executable, "-m", "dfaseg", "predict", slide, "--out", out, "--model", model]
    command += ["--tissue", "none", "--device", "cpu", "--limit-memory", "4", *options]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}

    subprocess.run([*map(str, command)], check=True, capture_output=True, env=environment)

    record = record_of(out)
    memory, peak = record["memory"], record["peak_memory_bytes"]
    taken = peak - memory["resident_bytes"]
    estimated = memory["estimate_bytes"] - memory["resident_bytes"]
    assert memory["terms_bytes"]["network"] > 0
    assert taken <= estimated, (taken, memory)
    assert estimated <= 4 * taken + SLACK_BYTES, (taken, memory)


def test_slide_that_does_not_fit_is_refused_before_work(tmp_path: Path) -> None:
    """In one line, with a way out; of many slides, only that one."""
    model = write_tiny_model(tmp_path / "tiny.safetensors")
    slide = write_tiff_slide(tmp_path / "s.tif", tissue_like_image(300, 200), tile_px=64)
    options = ("--model", model, "--device", "cpu", "--limit-memory", 0.01)

    one = run_command(slide, "--out", tmp_path / "s.zarr", *options)
    many = run_command(slide, "--out", tmp_path / "out", *options)

    assert (one.exit_code, many.exit_code) == (1, 3)
    assert "slide 's': needs about" in one.stderr
    assert "0.0 GB are allowed (--limit-memory); use a smaller" in one.stderr
    assert "s  slide 's': needs about" in many.stdout
    assert not list(tmp_path.glob("*s.zarr*"))
