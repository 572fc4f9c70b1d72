"""What one process holds does not grow with the number of slides."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stress.many import Held

CODE = """
import json
import sys
from dataclasses import asdict
from pathlib import Path
import torch
from tests.stress.many import measure_many
torch.set_num_threads(1)
print(json.dumps([asdict(held) for held in measure_many(20, Path(sys.argv[1]))]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc")
def test_memory_files_and_threads_stay(tmp_path: Path) -> None:
    """Over slides of several kinds, broken ones among them; ``tests.stress.many`` does hundreds."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run(
        [sys.executable, "-c", CODE, tmp_path],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    held = [Held(**record) for record in json.loads(result.stdout.splitlines()[-1])]

    # One slide more may be open, in the thread that begins the next.
    assert max(h.open_files for h in held[10:]) <= max(h.open_files for h in held[:5])
    assert max(h.threads for h in held[10:]) <= max(h.threads for h in held[:5]) + 1
    assert held[-1].memory_bytes - held[5].memory_bytes < 60e6
