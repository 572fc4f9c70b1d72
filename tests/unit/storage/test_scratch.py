"""A process's folder on a scratch disk."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dfaseg.storage.scratch import Scratch, default_scratch

HOLD = """
import sys
from pathlib import Path
from dfaseg.storage.scratch import Scratch
with Scratch(Path(sys.argv[1])) as scratch:
    scratch.new_folder("a")
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_folder_of_a_dead_process_is_removed_and_of_a_living_one_is_not(tmp_path: Path) -> None:
    """However it died."""
    command = [sys.executable, "-c", HOLD, tmp_path]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        with Scratch(tmp_path):
            assert len(list(tmp_path.iterdir())) == 2
        holder.send_signal(signal.SIGKILL)
    assert len(list(tmp_path.iterdir())) == 1

    with Scratch(tmp_path) as scratch:
        assert list(tmp_path.iterdir()) == [scratch.folder]

    assert not list(tmp_path.iterdir())


def test_job_disk_is_taken_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the place for temporary files."""
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/var/tmp")

    assert default_scratch({"SLURM_TMPDIR": str(tmp_path)}) == tmp_path
    assert default_scratch({}) == Path("/var/tmp")
