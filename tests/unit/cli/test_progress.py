"""Progress on a terminal names what is worked on."""

import io

import pytest
from rich.console import Console

from dfaseg.cli import progress


def test_brackets_in_a_name_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are part of the name of a slide, and not markup."""
    shown = io.StringIO()
    terminal = Console(file=shown, force_terminal=True, width=100)
    monkeypatch.setattr(progress, "Console", lambda **_options: terminal)

    with progress.report_progress("scan [old]") as report:
        report(1, 2)

    assert "scan [old]" in shown.getvalue()
