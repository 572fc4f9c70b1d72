"""Shows a training run on stderr: live on a terminal, a line per epoch elsewhere."""

import logging
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr

import click
from rich.console import Console
from rich.live import Live

from dfaseg.classmap import ClassMap
from dfaseg.cli.progress import AboveDisplay
from dfaseg.cli.train_screen import TrainScreen
from dfaseg.cli.train_status import RunStatus, in_words
from dfaseg.training.observer import TrainObserver
from dfaseg.training.runlog import EpochRecord, best_record, describe_epoch

REFRESHES_PER_SECOND = 4
PLAIN_SECONDS = 30.0
"""Time between two plain lines within an epoch, where stderr is not a terminal."""


@contextmanager
def show_training(
    class_map: ClassMap,
    frequencies: Sequence[float],
    patches_per_step: int,
    *,
    console: Console | None = None,
) -> Iterator[TrainObserver]:
    """Show how a run goes on while the block lasts; with ``--quiet``, nothing.

    Args:
        class_map: The classes.
        frequencies: Pixel frequency of each class in the training split.
        patches_per_step: Patches learned from in one step, over all devices.
        console: Where to draw; stderr if not given.

    Yields:
        The observer to hand to the trainer.
    """
    console = console or Console(stderr=True)
    status = RunStatus(class_map, frequencies, patches_per_step)
    if not logging.getLogger("dfaseg").isEnabledFor(logging.INFO):
        yield _Silence()
        return
    if not console.is_terminal or console.is_dumb_terminal:
        yield _PlainLines(status)
        return
    screen = TrainScreen(status)
    with (
        redirect_stderr(AboveDisplay(console, sys.stderr)),
        Live(screen, console=console, refresh_per_second=REFRESHES_PER_SECOND) as live,
    ):
        yield _LiveScreen(status, live)
        status.has_ended = True


class _LiveScreen:
    """Stores numbers only; a thread of the display reads them a few times a second."""

    def __init__(self, status: RunStatus, live: Live) -> None:
        self._status, self._live = status, live

    def on_start(self, history: Sequence[EpochRecord], num_epochs: int) -> None:
        self._status.begin(history, num_epochs)

    def on_step(self, step: int, num_steps: int, loss: float) -> None:
        self._status.store_step(step, num_steps, loss)

    def on_epoch(self, record: EpochRecord) -> None:
        self._status.store_epoch(record)
        self._live.refresh()


class _PlainLines:
    """Writes a line per epoch, and one now and then within an epoch that takes long."""

    def __init__(self, status: RunStatus) -> None:
        self._status = status
        self._last_line = time.monotonic()

    def on_start(self, history: Sequence[EpochRecord], num_epochs: int) -> None:
        self._status.begin(history, num_epochs)
        self._last_line = time.monotonic()

    def on_step(self, step: int, num_steps: int, loss: float) -> None:
        status = self._status
        status.store_step(step, num_steps, loss)
        if time.monotonic() - self._last_line < PLAIN_SECONDS:
            return
        words = [f"epoch {status.finished + 1}/{status.num_epochs}", f"step {step}/{num_steps}"]
        words.append(f"loss {loss:.4f}")
        if status.patches_per_second is not None:
            words.append(f"{status.patches_per_second:.3g} patches/s")
        left = in_words(status.seconds_left())
        self._write(", ".join([*words, *([f"{left} left"] if left else [])]))

    def on_epoch(self, record: EpochRecord) -> None:
        self._status.store_epoch(record)
        is_best = best_record(self._status.history) is record
        text = describe_epoch(record, self._status.num_epochs)
        self._write(f"{text}, best so far" if is_best else text)

    def _write(self, text: str) -> None:
        self._last_line = time.monotonic()
        click.echo(f"dfaseg: {text}", err=True)


class _Silence:
    """Hears and says nothing."""

    def on_start(self, history: Sequence[EpochRecord], num_epochs: int) -> None: ...

    def on_step(self, step: int, num_steps: int, loss: float) -> None: ...

    def on_epoch(self, record: EpochRecord) -> None: ...
