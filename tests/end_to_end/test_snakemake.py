"""assets/snakemake/Snakefile: one job for each slide; failures and stops stay the slide's own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.factories import tissue_like_image, write_tiff_slide
from tests.model_files import write_tiny_model

REPOSITORY = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow

# Stopped the first time, as at a time limit; broken if the slide is.
JOB = """#!/bin/sh
mark={folder}/$(basename "$2").started
if [ "$1" = predict ] && [ "$(basename "$2")" = s0.tif ] && ! [ -e "$mark" ]; then
    touch "$mark"
    exit 75
fi
PYTHONPATH={repository} exec {python} -m dfaseg "$@"
"""


@pytest.fixture
def snakemake() -> str:
    """Return the program: beside this Python, in the path, or as DFASEG_TEST_SNAKEMAKE says."""
    found = os.environ.get("DFASEG_TEST_SNAKEMAKE") or shutil.which("snakemake")
    if found is None:
        pytest.skip("Snakemake is not installed; DFASEG_TEST_SNAKEMAKE may say where it is")
    return found


def test_each_slide_is_a_job_of_its_own(tmp_path: Path, snakemake: str) -> None:
    """A stopped job is tried again, and a broken slide fails alone; the table is one of Excel's."""
    for number in range(2):
        image = tissue_like_image(100, 100, seed=number)
        write_tiff_slide(tmp_path / f"s{number}.tif", image, tile_px=64, downsamples=(1,))
    (tmp_path / "broken.tif").write_bytes((tmp_path / "s0.tif").read_bytes()[:300])
    rows = ["path,id,mpp", "s0.tif,,", "s1.tif,second,0.25", "broken.tif,,"]
    (tmp_path / "slides.csv").write_text("\n".join(rows) + "\n", encoding="utf-8-sig")
    model = write_tiny_model(tmp_path / "tiny.safetensors")
    settings = [f"model={model}", "options=--tissue none", "threads=1", "retries=1"]

    done = _run(snakemake, tmp_path, *settings)

    assert done.returncode == 1, done.stderr
    made = sorted(path.name for path in (tmp_path / "out").glob("*.run.json"))
    assert made == ["s0.run.json", "second.run.json"]
    assert (tmp_path / "s0.tif.started").exists()
    assert "broken" in (tmp_path / "out" / "logs" / "broken.log").read_text("utf-8")


def _run(snakemake: str, folder: Path, *settings: str) -> subprocess.CompletedProcess[str]:
    commands = folder / "bin"
    commands.mkdir(exist_ok=True)
    job = JOB.format(folder=folder, python=sys.executable, repository=REPOSITORY)
    (commands / "dfaseg").write_text(job, "utf-8")
    (commands / "dfaseg").chmod(0o755)
    return subprocess.run(
        [
            snakemake, "--snakefile", REPOSITORY / "assets" / "snakemake" / "Snakefile",
            "--directory", folder, "--cores", "1", "--keep-going",
            "--config", "slides=slides.csv", "out=out", *settings,
        ],
        env=os.environ | {"PATH": os.pathsep.join([str(commands), os.environ["PATH"]])},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )  # fmt: skip
