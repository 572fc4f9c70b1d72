"""The reference of the settings lists them all, with their true defaults."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dfaseg.training.config import to_tables
from dfaseg.training.spec import TrainSpec

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "training-settings.md"
ROWS = dict(
    re.findall(r"^\| `([\w.]+)` \| (.*?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
)
LEFT_OPEN = {"dataset", "network.freeze_encoder", "loss.weights"}


def _flatten(tables: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tables.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


DEFAULTS = dict(_flatten(to_tables(TrainSpec(dataset="ebhi"))))


def test_every_setting_is_listed() -> None:
    """No entry is missing and none is made up."""
    assert ROWS.keys() == DEFAULTS.keys() | LEFT_OPEN


@pytest.mark.parametrize("name", sorted(DEFAULTS.keys() - LEFT_OPEN))
def test_default_is_true(name: str) -> None:
    """What the page says is what a run without the entry does."""
    assert json.loads(ROWS[name]) == DEFAULTS[name]
