"""Fixtures that every test can use."""

import os
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
