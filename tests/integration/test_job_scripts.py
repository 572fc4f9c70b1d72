"""The job scripts in assets/slurm, with stand-ins for the commands that they call."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "assets" / "slurm"

OUT_OF_TIME = """
import os, signal, sys

def is_caught(by):
    status = open(f"/proc/{by}/status").read()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return caught >> (signal.SIGUSR1 - 1) & 1

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
while not is_caught(os.getppid()):
    pass
os.kill(os.getppid(), signal.SIGUSR1)
signal.sigwait({signal.SIGUSR1})
sys.exit(75)
"""
"""``dfaseg`` in a job whose time limit comes as soon as the script can take the signal."""


def _add_command(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


@pytest.mark.skipif(sys.platform != "linux", reason="SLURM runs on Linux")
@pytest.mark.parametrize(
    ("job", "requeued"),
    [
        pytest.param({"SLURM_JOB_ID": "7"}, "7", id="lone"),
        # The last task of an array has the array's own number.
        pytest.param(
            {"SLURM_JOB_ID": "7", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "3"},
            "7_3",
            id="last_of_array",
        ),
    ],
)
def test_job_out_of_time_requeues_itself_alone(
    job: dict[str, str], requeued: str, tmp_path: Path
) -> None:
    """By the array's number all its tasks would come back: running, finished and cancelled ones."""
    _add_command(tmp_path, "dfaseg", f"#!{sys.executable}\n{OUT_OF_TIME}")
    _add_command(tmp_path, "scontrol", f'#!/bin/sh\necho "$@" >{tmp_path}/asked\nexit 1\n')
    environment = job | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}

    done = subprocess.run(
        ["bash", SCRIPTS / "predict.sbatch"], env=environment, capture_output=True, check=False
    )

    assert done.returncode == 75
    assert (tmp_path / "asked").read_text() == f"requeue {requeued}\n"
