"""A run over many slides that is killed at random moments ends as if nothing had happened."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dfaseg.inference.batch.events import read_events
from tests.factories import tissue_like_image, write_tiff_slide
from tests.model_files import write_tiny_model


@pytest.mark.slow
@pytest.mark.parametrize(("kills", "options"), [(4, []), (50, []), (20, ["--apart"])])
def test_killed_runs_end_with_the_same_bytes_and_do_nothing_twice(
    kills: int, options: list[str]
) -> None:
    """Whichever file was being written, whatever was claimed; see the module for what is checked.

    In a process of its own, which forks the runs before it has any other thread.
    """
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "tests.stress.kills", "--kills", str(kills), *options]

    trial = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    assert trial.returncode == 0, trial.stdout + trial.stderr
    assert trial.stdout.startswith(f"{kills} kills in ")
    assert " 0 of them computed again" in trial.stdout


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_signal_ends_a_run_over_many_slides_with_75(tmp_path: Path, number: signal.Signals) -> None:
    """The row is finished, its slide kept for the next run, and no further one begun."""
    slides = tmp_path / "slides"
    slides.mkdir()
    for name in ("a", "b"):
        write_tiff_slide(
            slides / f"{name}.tif",
            tissue_like_image(170, 4000),
            tile_px=64,
            compression="lzw",
            downsamples=(1,),
        )
    model = write_tiny_model(tmp_path / "tiny.safetensors")
    command = [sys.executable, "-m", "dfaseg", "predict", slides, "--out", tmp_path / "out"]
    command += ["--model", model, "--tissue", "none", "--batch-size", "1", "--device", "cpu"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    events = tmp_path / "out" / "run.jsonl"
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as run:
        while not (tmp_path / "out" / ".a.zarr.partial" / "a.zarr").exists():
            assert run.poll() is None
            time.sleep(0.05)
        run.send_signal(number)
        _, errors = run.communicate()

    assert run.returncode == 75, errors
    assert errors.strip().splitlines()[-1].endswith("run the same command again to go on")
    assert [(e["id"], e["event"]) for e in read_events(events)] == [
        ("a", "started"),
        ("a", "stopped"),
    ]
    assert not (tmp_path / "out" / ".b.zarr.partial").exists()
