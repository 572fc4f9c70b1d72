"""What each epoch brought: a line for people, a CSV table for programs."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dfaseg.errors import ConfigError
from dfaseg.files import write_aside

_FIRST_NUMBERS = ("loss", "lr", "seconds", "macro_dice", "pixel_accuracy")
_LATER_NUMBERS = ("train_seconds", "patches_per_second")
_LISTS = ("dice", "iou", "delta", "bias")
_TERM_PREFIX = "loss "


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
        terms: Mean of each term of the loss by its name, before weighting.
        train_seconds: Wall-clock time of the steps alone; 0 where it was not measured.
        patches_per_second: Patches learned from per second of ``train_seconds``.
        iou: Per class, as ``dice``; empty where it was not measured.
        bias: The class bias b minus its mean, which is all that the softmax sees; layers one
            after the other, empty where it was not recorded.
    """

    epoch: int
    loss: float
    lr: float
    seconds: float
    macro_dice: float
    pixel_accuracy: float
    dice: list[float]
    delta: list[float]
    terms: dict[str, float] = field(default_factory=dict)
    train_seconds: float = 0.0
    patches_per_second: float = 0.0
    iou: list[float] = field(default_factory=list)
    bias: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RunLog:
    """The table of a run, read back.

    Attributes:
        class_names: In index order.
        history: One record per epoch, in the table's order; numbers as printed, six digits.
    """

    class_names: tuple[str, ...]
    history: tuple[EpochRecord, ...]


def write_log(path: Path, history: Sequence[EpochRecord], class_names: Sequence[str]) -> None:
    """Write the table of all epochs, whole or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    columns = ["epoch", *_FIRST_NUMBERS, *_LATER_NUMBERS]
    columns += list(dict.fromkeys(_TERM_PREFIX + term for r in history for term in r.terms))
    for name in _LISTS:
        count = max((len(getattr(record, name)) for record in history), default=0)
        columns += [f"{name} {heading}" for heading in set_names(class_names, count)]
    with write_aside(path) as aside, aside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(_cells(record, class_names) for record in history)


def read_log(path: Path) -> RunLog:
    """Read the table that ``write_log`` wrote, also that of an earlier version.

    Raises:
        ConfigError: The file is missing, or no such table.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.reader(file, strict=True) if row]
        return _parse_table(rows)
    except OSError as error:
        raise ConfigError(f"log '{path}': cannot be read ({error.strerror})") from error
    except (ValueError, csv.Error) as error:
        raise ConfigError(
            f"log '{path}': not a table of epochs ({error}); give the log.csv of a run"
        ) from error


def describe_epoch(record: EpochRecord, num_epochs: int) -> str:
    """Return on one line how the epoch went."""
    parts = [
        f"epoch {record.epoch}/{num_epochs}: loss {record.loss:.4f}",
        f"macro Dice {record.macro_dice:.4f}",
        f"pixel accuracy {record.pixel_accuracy:.4f}",
        f"Dice [{' '.join(f'{value:.3f}' for value in record.dice)}]",
    ]
    if record.delta:
        parts.append(f"delta [{' '.join(f'{value:+.3f}' for value in record.delta)}]")
    parts.append(f"{record.seconds:.0f} s")
    if record.patches_per_second > 0:
        parts.append(f"{record.patches_per_second:.3g} patches/s")
    return ", ".join(parts)


def best_record(history: Sequence[EpochRecord]) -> EpochRecord | None:
    """Return the first record of the highest macro Dice; none before the first epoch."""
    scored = [record for record in history if record.macro_dice == record.macro_dice]  # no NaN
    return max(scored, key=lambda record: record.macro_dice, default=None)


def set_names(class_names: Sequence[str], count: int) -> list[str]:
    """Name ``count`` values by class, and by number of the set where layers or heads have own."""
    num_classes = len(class_names)
    if count <= num_classes:
        return list(class_names)[:count]
    return [f"{class_names[i % num_classes]} ({i // num_classes})" for i in range(count)]


def _cells(record: EpochRecord, class_names: Sequence[str]) -> dict[str, str]:
    values = {name: getattr(record, name) for name in (*_FIRST_NUMBERS, *_LATER_NUMBERS)}
    values |= {_TERM_PREFIX + term: value for term, value in record.terms.items()}
    for name in _LISTS:
        numbers: list[float] = getattr(record, name)
        headings = set_names(class_names, len(numbers))
        values |= {f"{name} {h}": value for h, value in zip(headings, numbers, strict=True)}
    return {"epoch": str(record.epoch)} | {key: f"{value:.6g}" for key, value in values.items()}


def _parse_table(rows: Sequence[Sequence[str]]) -> RunLog:
    if not rows:
        raise ValueError("no line in it")
    header = rows[0]
    missing = [name for name in ("epoch", *_FIRST_NUMBERS) if name not in header]
    if missing:
        raise ValueError(f"no column '{missing[0]}'")
    names = tuple(name.removeprefix("dice ") for name in header if name.startswith("dice "))
    history = tuple(_parse(dict(zip(header, row, strict=True))) for row in rows[1:])
    return RunLog(names, history)


def _parse(cells: Mapping[str, str]) -> EpochRecord:
    """Return the record of one line; empty cells are values that were not recorded."""
    values: dict[str, Any] = {name: float(cells[name]) for name in _FIRST_NUMBERS}
    values |= {name: float(cells[name]) for name in _LATER_NUMBERS if cells.get(name)}
    values |= {name: list(_under(cells, f"{name} ").values()) for name in _LISTS}
    return EpochRecord(epoch=int(cells["epoch"]), terms=_under(cells, _TERM_PREFIX), **values)


def _under(cells: Mapping[str, str], prefix: str) -> dict[str, float]:
    return {
        name.removeprefix(prefix): float(cell)
        for name, cell in cells.items()
        if name.startswith(prefix) and cell
    }
