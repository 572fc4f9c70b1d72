"""What is known of a training run while it goes on: stored by the trainer, read by the display."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from dfaseg.classmap import ClassMap
from dfaseg.training.runlog import EpochRecord


@dataclass(slots=True)
class RunStatus:
    """What is known of a run; the trainer's thread stores, the terminal's thread reads.

    Attributes:
        class_map: The classes.
        frequencies: Pixel frequency of each class in the training split.
        patches_per_step: Patches learned from in one step, over all devices.
        history: Records of the finished epochs, replaced as a whole.
        num_epochs: Epochs of the run; 0 before it starts.
        step: Steps done in this epoch.
        num_steps: Steps of an epoch; 0 before the first.
        loss: Loss of the last step.
        epoch_start: When this epoch began, by ``time.monotonic``.
        first_step: When its first step was done, and how many steps that were.
        last_step: When its last step was done.
        has_ended: Whether the run is over, perhaps before its last epoch.
    """

    class_map: ClassMap
    frequencies: Sequence[float]
    patches_per_step: int
    history: tuple[EpochRecord, ...] = ()
    num_epochs: int = 0
    step: int = 0
    num_steps: int = 0
    loss: float = math.nan
    epoch_start: float = field(default_factory=time.monotonic)
    first_step: tuple[float, int] = (0.0, 0)
    last_step: float = 0.0
    has_ended: bool = False

    def begin(self, history: Sequence[EpochRecord], num_epochs: int) -> None:
        """Begin, or go on after the epochs of the history, so that curves and best values do."""
        self.history = tuple(history)
        self.num_epochs = num_epochs
        self.epoch_start = time.monotonic()

    def store_step(self, step: int, num_steps: int, loss: float) -> None:
        """Keep where the epoch is."""
        now = time.monotonic()
        if step <= self.step or not self.step:
            self.first_step = (now, step)
        self.step, self.num_steps, self.loss, self.last_step = step, num_steps, loss, now

    def store_epoch(self, record: EpochRecord) -> None:
        """Keep what an epoch brought and begin the next."""
        self.history = (*self.history, record)
        self.step = 0
        self.epoch_start = time.monotonic()

    @property
    def finished(self) -> int:
        """Epochs done."""
        return self.history[-1].epoch if self.history else 0

    @property
    def is_over(self) -> bool:
        """Whether no epoch is under way any more."""
        return self.has_ended or 0 < self.num_epochs <= self.finished

    @property
    def seconds_per_step(self) -> float | None:
        """Mean time of a step in this epoch, without the first, which may compile things."""
        first, count = self.first_step
        steps = self.step - count
        return (self.last_step - first) / steps if steps > 0 else None

    @property
    def patches_per_second(self) -> float | None:
        """Speed of this epoch's steps."""
        seconds = self.seconds_per_step
        return self.patches_per_step / seconds if seconds else None

    def seconds_left(self) -> float | None:
        """Return how long the run still takes if it goes on like its last epochs."""
        left = self.num_epochs - self.finished
        if self.history:
            recent = [record.seconds for record in self.history[-5:]]
            in_epoch = time.monotonic() - self.epoch_start
            return max(0.0, left * sum(recent) / len(recent) - in_epoch)
        seconds = self.seconds_per_step
        return None if seconds is None else seconds * (left * self.num_steps - self.step)


def in_words(seconds: float | None) -> str:
    """Return a duration as people say it, or an empty text if it is not known."""
    if seconds is None or not math.isfinite(seconds):
        return ""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
