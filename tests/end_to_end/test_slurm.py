"""The job scripts in assets/slurm under a real controller and node."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from dfaseg.inference.batch.events import read_events
from dfaseg.training.runlog import read_log
from tests.factories import tissue_like_image, write_tiff_slide
from tests.labelled import write_ebhi_tree
from tests.model_files import write_tiny_model

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = REPOSITORY / "assets" / "slurm"
SLOW_START = REPOSITORY / "tests" / "slurm" / "slow_start.py"
LONGEST_WAIT_S = 300

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Cluster:
    """Jobs of one test: they write to ``folder`` and know ``dfaseg`` as a command there."""

    folder: Path

    def add_command(self, name: str, *words: object) -> None:
        """Let jobs know a command that is not installed."""
        (self.folder / "bin").mkdir(exist_ok=True)
        path = self.folder / "bin" / name
        path.write_text(f'#!/bin/sh\nexec {" ".join(map(str, words))} "$@"\n', encoding="utf-8")
        path.chmod(0o755)

    def ask(self, *words: object) -> str:
        """Run one of SLURM's commands."""
        return _ask(*words, environment=self._environment(), folder=self.folder)

    def submit(self, *words: object) -> str:
        """Submit a job and return its id."""
        return self.ask("sbatch", "--parsable", *words).strip()

    def facts(self, job: str) -> dict[str, str]:
        """Return what SLURM notes about a job, or about one task of an array."""
        return dict(re.findall(r"(\w+)=(\S*)", self.ask("scontrol", "show", "job", "-o", job)))

    def wait(self, job: str, until: Callable[[dict[str, str]], bool]) -> dict[str, str]:
        """Wait for something about a job and return what SLURM notes then."""
        end = time.monotonic() + LONGEST_WAIT_S
        while time.monotonic() < end:
            facts = self.facts(job)
            if until(facts):
                return facts
            time.sleep(0.5)
        outputs = "\n".join(path.read_text("utf-8") for path in self.folder.glob("*.out"))
        pytest.fail(f"job {job} waits in vain: {facts}\n{outputs}")

    def _environment(self) -> dict[str, str]:
        path = os.pathsep.join([str(self.folder / "bin"), os.environ["PATH"]])
        modules = os.pathsep.join([str(REPOSITORY), *filter(None, sys.path)])
        return {**os.environ, "PATH": path, "PYTHONPATH": modules, "OMP_NUM_THREADS": "1"}


def _ask(*words: object, environment: dict[str, str] | None = None, folder: Path) -> str:
    done = subprocess.run(
        [*map(str, words)], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def has_ended(facts: Mapping[str, str]) -> bool:
    """Tell whether a job is over for good."""
    return facts["JobState"] in {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL"}


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """Return the cluster that tests/slurm/start_slurm.sh has started, and no other."""
    if shutil.which("sbatch") is None:
        pytest.skip("SLURM is not installed")
    found = subprocess.run(["scontrol", "show", "config"], capture_output=True, check=False)
    if not re.search(rb"ClusterName\s*= dfaseg-tests\n", found.stdout):
        pytest.skip("no SLURM for tests runs: tests/slurm/start_slurm.sh FOLDER; SLURM_CONF")
    cluster = Cluster(tmp_path)
    cluster.add_command("dfaseg", sys.executable, "-m", "dfaseg")
    return cluster


@pytest.fixture
def tiny_model(tmp_path: Path) -> Path:
    """Return a model file that costs next to nothing."""
    return write_tiny_model(tmp_path / "tiny.safetensors")


def write_slides(folder: Path, count: int) -> Path:
    """Write small slides s00, s01, ... of different sizes."""
    folder.mkdir()
    for number in range(count):
        image = tissue_like_image(90 + 10 * number, 100, seed=number)
        write_tiff_slide(folder / f"s{number:02d}.tif", image, tile_px=64, downsamples=(1,))
    return folder


def events_of(out: Path, event: str) -> list[str]:
    """Return the slides to which something happened."""
    return sorted(e["id"] for e in read_events(out / "run.jsonl") if e["event"] == event)


def test_array_does_all_slides_but_the_broken_one(cluster: Cluster, tiny_model: Path) -> None:
    """Four tasks share twelve slides; that with the broken one says so and fails with code 3."""
    slides, out = write_slides(cluster.folder / "slides", 12), cluster.folder / "results"
    broken = slides / "s05.tif"
    broken.write_bytes(broken.read_bytes()[:300])

    job = cluster.submit(
        "--array=0-3", "--cpus-per-task=1", "--mem=1G", SCRIPTS / "predict.sbatch",
        slides, "--out", out, "--model", tiny_model, "--tissue", "none",
    )  # fmt: skip
    tasks = [cluster.wait(f"{job}_{index}", has_ended) for index in range(4)]

    assert events_of(out, "done") == [f"s{n:02d}" for n in range(12) if n != 5]
    assert events_of(out, "failed") == ["s05"]
    assert len(list(out.glob("*.run.json"))) == 11
    assert sorted(task["ExitCode"] for task in tasks) == ["0:0", "0:0", "0:0", "3:0"]
    failed = next(task for task in tasks if task["ExitCode"] == "3:0")
    assert failed["JobState"] == "FAILED"
    assert re.search(r"s05 .*cut short", Path(failed["StdOut"]).read_text("utf-8"))
    assert len({event["job"] for event in read_events(out / "run.jsonl")}) == 4


def test_job_out_of_time_is_requeued_and_goes_on(cluster: Cluster, tiny_model: Path) -> None:
    """It stops before its limit, waits in the queue, and ends with the slide finished."""
    cluster.add_command("dfaseg", sys.executable, SLOW_START)
    slide = cluster.folder / "slide.tif"
    write_tiff_slide(slide, tissue_like_image(64, 64 * 150), tile_px=64, downsamples=(1,))
    out = cluster.folder / "results"

    # The signal comes up to half a minute early: between 60 and 90 s, when dfaseg is long at work.
    job = cluster.submit(
        "--array=0", "--time=2", "--signal=B:USR1@30", "--cpus-per-task=1", "--mem=1G",
        SCRIPTS / "predict.sbatch", slide, "--out", out, "--model", tiny_model,
        "--tissue", "none", "--patch-size", 64, "--overlap", 0, "--batch-size", 1,
    )  # fmt: skip
    facts = cluster.wait(f"{job}_0", has_ended)

    said = Path(facts["StdOut"]).read_text("utf-8")
    assert (facts["JobState"], facts["Restarts"], facts["ExitCode"]) == ("COMPLETED", "1", "0:0")
    assert re.search(r"stopped at row \d+ of 150", said)
    assert "back into the queue" in said
    assert "going on from row" in said
    assert events_of(out, "done") == ["slide"]
    assert (out / "slide.run.json").exists()


def test_cancelled_job_stays_away(cluster: Cluster, tiny_model: Path) -> None:
    """Someone who stops a job does not find it back in the queue; its slide is saved."""
    cluster.add_command("dfaseg", sys.executable, SLOW_START)
    slide, out = cluster.folder / "slide.tif", cluster.folder / "results"
    write_tiff_slide(slide, tissue_like_image(64, 64 * 90), tile_px=64, downsamples=(1,))

    job = cluster.submit(
        "--array=0", "--cpus-per-task=1", "--mem=1G", SCRIPTS / "predict.sbatch",
        slide, "--out", out, "--model", tiny_model,
        "--tissue", "none", "--patch-size", 64, "--overlap", 0, "--batch-size", 1,
    )  # fmt: skip
    cluster.wait(f"{job}_0", lambda _facts: (out / "run.jsonl").exists())
    cluster.ask("scancel", "--full", "--signal=TERM", f"{job}_0")
    facts = cluster.wait(f"{job}_0", has_ended)

    assert (facts["Restarts"], facts["ExitCode"]) == ("0", "75:0")
    assert events_of(out, "stopped") == ["slide"]


def test_training_goes_on_after_its_job_ran_out_of_time(cluster: Cluster) -> None:
    """It is stopped between two steps, and the next job begins at the epoch that is missing."""
    cluster.add_command("torchrun", sys.executable, "-m", "torch.distributed.run")
    write_ebhi_tree(cluster.folder / "data", images_per_split=2)
    run = cluster.folder / "run"

    job = cluster.submit(
        "--cpus-per-task=1", "--mem=2G", SCRIPTS / "train.sbatch", run,
        "--dataset", "ebhi", "--root", cluster.folder / "data", "--preset", "tiny",
        "--encoder", "test_efficientnet_ln", "--epochs", 12, "--batch-size", 2,
        "--device", "cpu", "--workers", 1, "--no-plots",
    )  # fmt: skip
    cluster.wait(job, lambda facts: has_ended(facts) or (run / "last.safetensors").exists())
    cluster.ask("scancel", "--batch", "--signal=USR1", job)  # what SLURM sends before the limit
    facts = cluster.wait(job, has_ended)

    said = Path(facts["StdOut"]).read_text("utf-8")
    assert (facts["JobState"], facts["Restarts"]) == ("COMPLETED", "1"), said
    assert "back into the queue" in said
    assert "resuming after epoch" in said
    assert [epoch.epoch for epoch in read_log(run / "log.csv").history] == list(range(1, 13))


def test_limits_are_those_of_the_allocation(cluster: Cluster) -> None:
    """A job sees the cores and the memory that it was given, not those of its node."""
    code = "from dfaseg import limits; print(limits.available_cores())"
    code += "; print(limits.available_memory_bytes() < 600 * 1024**2)"

    for words in (("--cpus-per-task=1", "--mem=600M"), ("--ntasks=1", "--mem-per-cpu=600M")):
        job = cluster.submit(*words, "--output=%j.out", "--wrap", f"{sys.executable} -c '{code}'")
        facts = cluster.wait(job, has_ended)
        assert Path(facts["StdOut"]).read_text("utf-8").split() == ["1", "True"]
