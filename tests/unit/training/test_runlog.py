"""The log of a run as a table."""

import csv
import dataclasses
import logging
from pathlib import Path

import pytest

from dfaseg.training.runlog import EpochRecord, log_epoch, write_log

RECORD = EpochRecord(
    epoch=1, loss=0.5, lr=0.001, seconds=2.0, macro_dice=0.75, pixel_accuracy=0.8,
    dice=[0.5, 1.0], delta=[-0.25, 0.25],
)  # fmt: skip


def test_table_has_a_line_per_epoch_and_a_column_per_class(tmp_path: Path) -> None:
    """Dice and delta stand under their class's name."""
    path = tmp_path / "log.csv"

    write_log(path, [RECORD, dataclasses.replace(RECORD, epoch=2)], ["a", "b"])

    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[0]["dice b"]) == 1.0
    assert float(rows[0]["delta a"]) == -0.25


@pytest.mark.parametrize(
    ("delta", "columns"),
    [([], []), ([0.0] * 4, ["delta a (0)", "delta b (0)", "delta a (1)", "delta b (1)"])],
    ids=["none learned", "one set per layer"],
)
def test_delta_columns_follow_what_is_learned(
    delta: list[float], columns: list[str], tmp_path: Path
) -> None:
    """No column where nothing is learned; numbered sets where layers have their own."""
    path = tmp_path / "log.csv"

    write_log(path, [dataclasses.replace(RECORD, delta=delta)], ["a", "b"])

    header = path.read_text().splitlines()[0].split(",")
    assert [name for name in header if name.startswith("delta")] == columns


def test_line_for_people_names_epoch_and_delta(caplog: pytest.LogCaptureFixture) -> None:
    """The log line holds what a person watches."""
    with caplog.at_level(logging.INFO, logger="dfaseg.training.runlog"):
        log_epoch(RECORD, 9)

    assert "epoch 1/9" in caplog.text
    assert "-0.250 +0.250" in caplog.text
