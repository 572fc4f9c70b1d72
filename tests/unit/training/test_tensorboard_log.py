"""Curves for TensorBoard, read back with its own reader."""

import dataclasses
import math
import sys
from pathlib import Path

import pytest

from dfaseg.errors import ConfigError, OutputError
from dfaseg.training.runlog import EpochRecord
from dfaseg.training.tensorboard_log import TensorBoardLog

event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

RECORD = EpochRecord(
    epoch=1, loss=0.5, lr=0.25, seconds=2.0, macro_dice=0.75, pixel_accuracy=0.875,
    dice=[0.5, math.nan], delta=[-0.25, 0.25], terms={"focal": 0.125}, patches_per_second=320.0,
    iou=[0.25, math.nan], bias=[-0.5, 0.5],
)  # fmt: skip


def _write(folder: Path, first: int, last: int, loss: float) -> None:
    with TensorBoardLog(folder, ["back ground", "b/c"]) as log:
        log.on_start([RECORD] * (first - 1), 9)
        for epoch in range(first, last + 1):
            log.on_step(1, 1, 0.5)
            log.on_epoch(dataclasses.replace(RECORD, epoch=epoch, loss=loss))


def _read(folder: Path) -> dict[str, list[tuple[int, float]]]:
    events = event_accumulator.EventAccumulator(str(folder)).Reload()
    tags = events.Tags()["scalars"]
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in tags}


def test_every_number_has_its_curve(tmp_path: Path) -> None:
    """Loss, terms, scores and biases per class, learning rate and speed."""
    _write(tmp_path / "events", 1, 2, loss=0.5)

    curves = _read(tmp_path / "events")

    assert curves["loss/total"] == [(1, 0.5), (2, 0.5)]
    assert curves["loss/focal"] == [(1, 0.125), (2, 0.125)]
    assert curves["validation/macro_dice"][0] == (1, 0.75)
    assert curves["dice/back ground"][0] == (1, 0.5)
    assert curves["iou/back ground"][0] == (1, 0.25)
    assert curves["delta/b/c"][0] == (1, 0.25)
    assert curves["bias_centred/b/c"][0] == (1, 0.5)
    assert curves["run/lr"][0] == (1, 0.25)
    assert curves["run/patches_per_second"][0] == (1, 320.0)


def test_undefined_scores_have_no_point(tmp_path: Path) -> None:
    """A class that does not occur is not drawn as anything."""
    _write(tmp_path, 1, 1, loss=0.5)

    assert "dice/b/c" not in _read(tmp_path)


def test_resumed_run_shows_each_epoch_once(tmp_path: Path) -> None:
    """Points behind the epoch a run goes on from give way to those of the new run."""
    _write(tmp_path, 1, 4, loss=0.5)

    _write(tmp_path, 3, 5, loss=0.25)

    expected = [(1, 0.5), (2, 0.5), (3, 0.25), (4, 0.25), (5, 0.25)]
    assert _read(tmp_path)["loss/total"] == expected


def test_missing_package_is_said_before_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names what to install."""
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)

    with pytest.raises(ConfigError, match=r"install 'dfaseg\[tensorboard\]'"):
        TensorBoardLog(tmp_path, ["a"])


def test_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A file in the way of the folder is an output error in one line."""
    (tmp_path / "taken").touch()

    with (
        TensorBoardLog(tmp_path / "taken", ["a"]) as log,
        pytest.raises(OutputError, match=r"TensorBoard log .*taken': cannot be written"),
    ):
        log.on_start((), 1)
