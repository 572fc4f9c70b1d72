"""One line per epoch: for people through logging, for programs as a CSV table."""

import csv
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dfaseg.files import write_aside

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """What one epoch brought.

    Attributes:
        epoch: From 1.
        loss: Mean training loss.
        lr: Learning rate of the network in the last step.
        seconds: Wall-clock time, validation included.
        macro_dice: Mean Dice on the validation split over the classes that occur.
        pixel_accuracy: On the validation split.
        dice: Per class, on the validation split; NaN for a class that does not occur.
        delta: Learned class biases, layers one after the other; empty if none are learned.
    """

    epoch: int
    loss: float
    lr: float
    seconds: float
    macro_dice: float
    pixel_accuracy: float
    dice: list[float]
    delta: list[float]


def write_log(path: Path, history: Sequence[EpochRecord], class_names: Sequence[str]) -> None:
    """Write the table of all epochs, whole or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    num_deltas = len(history[-1].delta) if history else 0
    header = ["epoch", "loss", "lr", "seconds", "macro_dice", "pixel_accuracy"]
    header += [f"dice {name}" for name in class_names]
    header += [f"delta {name}" for name in _delta_names(class_names, num_deltas)]
    with write_aside(path) as aside, aside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(_row(record) for record in history)


def log_epoch(record: EpochRecord, num_epochs: int) -> None:
    """Say on one line how the epoch went."""
    logger.info(
        "epoch %d/%d: loss %.4f, macro Dice %.4f, pixel accuracy %.4f, Dice [%s], delta [%s],"
        " %.0f s",
        record.epoch,
        num_epochs,
        record.loss,
        record.macro_dice,
        record.pixel_accuracy,
        " ".join(f"{value:.3f}" for value in record.dice),
        " ".join(f"{value:+.3f}" for value in record.delta),
        record.seconds,
    )


def _delta_names(class_names: Sequence[str], num_deltas: int) -> list[str]:
    """Name each delta by its class, and by its set where layers or heads have their own."""
    num_sets, rest = divmod(num_deltas, len(class_names))
    if num_sets <= 1 or rest:
        return list(class_names)[:num_deltas]
    return [f"{name} ({number})" for number in range(num_sets) for name in class_names]


def _row(record: EpochRecord) -> list[str]:
    numbers = [record.loss, record.lr, record.seconds, record.macro_dice, record.pixel_accuracy]
    values = [*numbers, *record.dice, *record.delta]
    return [str(record.epoch), *(f"{value:.6g}" for value in values)]
