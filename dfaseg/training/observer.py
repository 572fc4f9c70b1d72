"""Who watches a run: the trainer tells, and does not care how it is shown."""

from collections.abc import Sequence
from typing import Protocol

from dfaseg.training.runlog import EpochRecord


class TrainObserver(Protocol):
    """Hears how a run goes on; the trainer calls it from its own thread."""

    def on_start(self, history: Sequence[EpochRecord], num_epochs: int) -> None:
        """Hear that the run of ``num_epochs`` begins, or goes on after those in its history."""

    def on_step(self, step: int, num_steps: int, loss: float) -> None:
        """Hear that ``step`` steps of the epoch's ``num_steps`` are done, and the last loss."""

    def on_epoch(self, record: EpochRecord) -> None:
        """Hear what a finished epoch brought, validation included."""
