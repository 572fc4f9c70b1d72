"""Memory depends on a slide's width, never on its height."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.factories import tissue_like_image, write_tiff_slide
from tests.model_files import write_tiny_model
from tests.predicting import record_of

NOISE_BYTES = 12 * 2**20
"""What the allocator and the libraries' own caches differ by from run to run."""


def peak_memory(slide: Path, model: Path, out: Path) -> int:
    """Run the command in a process of its own and return its peak resident size in bytes."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "dfaseg", "predict", slide, "--out", out, "--model", model]
    settings = ["--tissue", "none", "--workers", "2", "--batch-size", "4", "--device", "cpu"]
    subprocess.run(
        [*map(str, command), *settings], check=True, capture_output=True, env=environment
    )
    return int(record_of(out)["peak_memory_bytes"])


@pytest.mark.slow
def test_four_times_the_height_takes_no_more_memory(tmp_path: Path) -> None:
    """Peak resident size differs by at most 5 %, and the noise of two processes."""
    model = write_tiny_model(tmp_path / "tiny.safetensors", patch_px=256, overlap_px=0)
    image = tissue_like_image(768, 1024)
    peaks = []
    for times in (1, 4):
        slide = write_tiff_slide(tmp_path / f"{times}.tif", np.tile(image, (times, 1, 1)))
        peaks.append(peak_memory(slide, model, tmp_path / f"{times}.zarr"))

    assert peaks[1] <= 1.05 * peaks[0] + NOISE_BYTES
