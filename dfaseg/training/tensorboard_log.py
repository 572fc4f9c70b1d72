"""The course of a run for TensorBoard, beside the table that is always written."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

from dfaseg.errors import ConfigError, OutputError
from dfaseg.files import explain
from dfaseg.training.runlog import EpochRecord, set_names

_SPLIT = "validation"


class TensorBoardLog:
    """Writes one point per epoch and curve to a folder of event files; a ``TrainObserver``.

    A run that goes on hides the points that an earlier one wrote after the epoch it goes on from,
    so that no epoch is shown twice.
    """

    def __init__(self, folder: Path, class_names: Sequence[str]) -> None:
        """Check that the log can be written; nothing is written yet.

        Args:
            folder: Where event files go; made if missing.
            class_names: In index order.

        Raises:
            ConfigError: TensorBoard is not installed.
        """
        try:
            # Here and not above: the package is an extra, and takes a second to import.
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415
        except ImportError as error:
            raise ConfigError(
                "TensorBoard log: the package tensorboard is not installed; install"
                " 'dfaseg[tensorboard]' or train without this log"
            ) from error
        self._writer_class = SummaryWriter
        self._folder, self._class_names = folder, tuple(class_names)
        self._writer: SummaryWriter | None = None

    def __enter__(self) -> "TensorBoardLog":
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def on_start(self, history: Sequence[EpochRecord], num_epochs: int) -> None:  # noqa: ARG002 - as observers have it
        """Open a new event file.

        Raises:
            OutputError: The folder cannot be written.
        """
        try:
            self._writer = self._writer_class(str(self._folder), purge_step=len(history) + 1)
        except OSError as error:
            raise self._refusal(error) from error

    def on_step(self, step: int, num_steps: int, loss: float) -> None:
        """Do nothing: the log has one point per epoch."""

    def on_epoch(self, record: EpochRecord) -> None:
        """Write the epoch's points and flush them.

        Raises:
            OutputError: The file cannot be written.
        """
        assert self._writer is not None  # on_start comes first
        try:
            for tag, value in _scalars(record, self._class_names):
                if math.isfinite(value):  # a class that does not occur has no score
                    self._writer.add_scalar(tag, value, record.epoch)
            self._writer.flush()
        except OSError as error:
            raise self._refusal(error) from error

    def _refusal(self, error: OSError) -> OutputError:
        return OutputError(
            f"TensorBoard log '{self._folder}': cannot be written ({explain(error)})"
        )


def _scalars(record: EpochRecord, class_names: Sequence[str]) -> Iterator[tuple[str, float]]:
    """Yield tag and value of each point; TensorBoard groups tags by what is before the slash."""
    yield "loss/total", record.loss
    for term, value in record.terms.items():
        yield f"loss/{term}", value
    yield f"{_SPLIT}/macro_dice", record.macro_dice
    yield f"{_SPLIT}/pixel_accuracy", record.pixel_accuracy
    groups = {
        "dice": record.dice, "iou": record.iou, "delta": record.delta, "bias_centred": record.bias,
    }  # fmt: skip
    for group, values in groups.items():
        for name, value in zip(set_names(class_names, len(values)), values, strict=True):
            yield f"{group}/{name}", value
    yield "run/lr", record.lr
    yield "run/epoch_seconds", record.seconds
    if record.patches_per_second > 0:
        yield "run/patches_per_second", record.patches_per_second
