"""Progress on stderr, and signals that ask a run to stop."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from types import FrameType

import click
from rich.console import Console
from rich.file_proxy import FileProxy
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dfaseg.cli.stopping import STOP_SIGNALS

PLAIN_SECONDS = 10.0
"""Time between two plain lines, where stderr is not a terminal (cluster logs)."""


@contextmanager
def report_progress(name: str, unit: str = "patches") -> Iterator[Callable[[int, int], None]]:
    """Show how far a run is: a bar on a terminal, a line now and then elsewhere.

    Args:
        name: What is worked on, e.g. a slide.
        unit: What is counted.

    Yields:
        A function of the units done and the number of all.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _plain_reporter(name, unit)
        return
    columns = (
        # Names may hold brackets, which are no markup.
        TextColumn("{task.description}", style="bold", markup=False),
        BarColumn(bar_width=40),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeRemainingColumn(),
    )
    with (
        redirect_stderr(AboveDisplay(console, sys.stderr)),
        Progress(*columns, console=console, transient=True) as bar,
    ):
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def stop_on_signals(after: str = "this row of patches") -> Iterator[threading.Event]:
    """Turn the first Ctrl-C, SIGTERM or SIGUSR1 into a request; a second Ctrl-C ends at once.

    Args:
        after: What is finished first, for the user.

    Yields:
        An event that is set when a stop is asked for.
    """
    stop = threading.Event()

    def request(signum: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            if signum == signal.SIGINT:
                raise KeyboardInterrupt
            return
        stop.set()  # first, for another signal may come while this one is told
        click.echo(f"dfaseg: stopping after {after}", err=True)

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    previous = {number: signal.signal(number, request) for number in STOP_SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class AboveDisplay(FileProxy):
    """Takes what is written to stderr, log lines above all, and prints it above the display.

    Rich's own stand-in names no encoding, for which Click writes past it into the display.
    """

    encoding = "utf-8"
    errors = "strict"


def _plain_reporter(name: str, unit: str) -> Callable[[int, int], None]:
    """Print a line every few seconds."""
    last = time.monotonic()

    def report(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= PLAIN_SECONDS:
            last = time.monotonic()
            percent = 100 * done / max(total, 1)
            click.echo(f"dfaseg: {name}: {done} of {total} {unit} ({percent:.0f} %)", err=True)

    return report
