"""What the terminal is able to show."""

import os
import subprocess
import sys
from pathlib import Path

from dfaseg.inference.batch.events import EventLog
from dfaseg.inference.batch.owners import Owner


def test_letters_that_the_terminal_lacks_are_escaped(tmp_path: Path) -> None:
    """With all work done, a name in a table must not end in a traceback."""
    log = EventLog(tmp_path / "run.jsonl", Owner.of_this_process())
    log.add("failed", "Schnitt ü 癌", reason="no such file")
    environment = os.environ | {
        "PYTHONIOENCODING": "latin-1",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }

    done = subprocess.run(
        [sys.executable, "-m", "dfaseg", "status", tmp_path],
        capture_output=True,
        check=True,
        env=environment,
    )

    assert "Schnitt ü \\u764c" in done.stdout.decode("latin-1")
