"""Fixtures that every test can use."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real slides and annotated images, outside the repository; skips where missing."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("DFASEG_TEST_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no real slides in '{folder}'; set DFASEG_TEST_DATA to their folder")
    return folder
