"""Progress on a terminal names what is worked on, and a request to stop is heard once."""

import io
import signal

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


def test_signals_that_come_together_are_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """SLURM and a job script may both pass a cancellation on, one while the other is told."""
    told: list[str] = []

    def echo(message: str, **_options: bool) -> None:
        told.append(message)
        if len(told) == 1:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(progress.click, "echo", echo)

    with progress.stop_on_signals() as stop:
        signal.raise_signal(signal.SIGTERM)

    assert stop.is_set()
    assert told == ["dfaseg: stopping after this row of patches"]
