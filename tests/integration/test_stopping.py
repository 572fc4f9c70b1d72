"""Signals before a command can heed them, in a process of its own."""

import signal
import subprocess
import sys

import pytest

LOADING = """
import signal
from dfaseg.cli import main

def load(*_):
    signal.raise_signal({number})

main._LazyGroup.get_command = load
main.main()
"""
"""A run that is asked to stop while it loads its command."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_signal_while_libraries_are_loaded_stops_the_run_with_75(number: signal.Signals) -> None:
    """As later on; it ended by the signal, or in a traceback, and no job script put it in again."""
    command = [sys.executable, "-c", LOADING.format(number=int(number)), "predict", "a.svs"]

    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert run.returncode == 75
    assert run.stderr == "dfaseg: stopped; run the same command again\n"
