"""A run over many slides that is killed at random moments ends as if nothing had happened."""

import os
import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("kills", [4, 50])
def test_killed_runs_end_with_the_same_bytes_and_do_nothing_twice(kills: int) -> None:
    """Whichever file was being written, whatever was claimed; see the module for what is checked.

    In a process of its own, which forks the runs before it has any other thread.
    """
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "tests.stress.kills", "--kills", str(kills)]

    trial = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    assert trial.returncode == 0, trial.stdout + trial.stderr
    assert trial.stdout.startswith(f"{kills} kills in ")
    assert " 0 of them computed again" in trial.stdout
