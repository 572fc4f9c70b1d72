"""Fixtures that every test can use."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says more about the machine than about the code.
settings.register_profile(
    "any_machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any_machine")

# Tensors in tests are tiny: waiting for torch's threads would take several times the work itself.
# Set before anything imports torch, and inherited by commands that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real slides and annotated images, outside the repository; skips where missing."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("DFASEG_TEST_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no real slides in '{folder}'; set DFASEG_TEST_DATA to their folder")
    return folder


@pytest.fixture
def small_disk(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Mount a disk of 400 kB (or as a marker's parameter says), where that is allowed."""
    kilobytes = getattr(request, "param", 400)
    folder = Path(tempfile.mkdtemp(prefix="dfaseg-small-disk-"))
    command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    if (
        shutil.which("mount") is None
        or subprocess.run(command, check=False, capture_output=True).returncode
    ):
        folder.rmdir()
        pytest.skip("a small disk cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()
