"""The log of a run as a table."""

import csv
import dataclasses
import json
import math
from pathlib import Path

import pytest

from dfaseg.errors import ConfigError, OutputError
from dfaseg.training.runlog import (
    EpochRecord,
    best_record,
    describe_epoch,
    read_log,
    set_names,
    write_log,
)

RECORD = EpochRecord(
    epoch=1, loss=0.5, lr=0.001, seconds=2.0, macro_dice=0.75, pixel_accuracy=0.8,
    dice=[0.5, 1.0], delta=[-0.25, 0.25], terms={"focal": 0.125, "dice": 0.375},
    train_seconds=1.5, patches_per_second=320.0, iou=[0.25, 1.0], bias=[-0.5, 0.5],
)  # fmt: skip
FIRST_VERSION = EpochRecord(
    epoch=1, loss=0.5, lr=0.001, seconds=2.0, macro_dice=0.75, pixel_accuracy=0.8,
    dice=[0.5, 1.0], delta=[-0.25, 0.25],
)  # fmt: skip


def test_table_has_a_line_per_epoch_and_a_column_per_class(tmp_path: Path) -> None:
    """Scores and biases stand under their class's name, terms under their own."""
    path = tmp_path / "log.csv"

    write_log(path, [RECORD, dataclasses.replace(RECORD, epoch=2)], ["a", "b"])

    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[0]["dice b"]) == 1.0
    assert float(rows[0]["delta a"]) == -0.25
    assert float(rows[0]["bias b"]) == 0.5
    assert float(rows[0]["loss focal"]) == 0.125


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


@pytest.mark.parametrize(
    "history",
    [
        [],
        [RECORD],
        [FIRST_VERSION, dataclasses.replace(RECORD, epoch=2)],
        [dataclasses.replace(RECORD, delta=[], bias=[], terms={})],
        [dataclasses.replace(RECORD, delta=[0.5, 0.25, -0.5, -0.25])],
    ],
    ids=["no epoch", "one epoch", "begun by an older version", "no bias", "one set per layer"],
)
def test_table_is_read_back_as_it_was(history: list[EpochRecord], tmp_path: Path) -> None:
    """Nothing is lost between writing and reading, whatever was recorded."""
    names = ['a, "quoted"\nname', "ä"]
    write_log(tmp_path / "log.csv", history, names)

    log = read_log(tmp_path / "log.csv")

    assert log.history == tuple(history)
    if history:
        assert log.class_names == tuple(names)


def test_class_that_does_not_occur_stays_undefined(tmp_path: Path) -> None:
    """NaN is a value of its own, not a missing one."""
    write_log(tmp_path / "log.csv", [dataclasses.replace(RECORD, dice=[math.nan, 0.5])], "ab")

    (record,) = read_log(tmp_path / "log.csv").history

    assert math.isnan(record.dice[0])
    assert record.dice[1] == 0.5


def test_table_of_the_first_version_is_read(tmp_path: Path) -> None:
    """What was not recorded then is left empty."""
    (tmp_path / "log.csv").write_text(
        "epoch,loss,lr,seconds,macro_dice,pixel_accuracy,dice a,dice b,delta a,delta b\n"
        "1,0.5,0.001,2,0.75,0.8,0.5,1,-0.25,0.25\n"
    )

    assert read_log(tmp_path / "log.csv").history == (FIRST_VERSION,)


@pytest.mark.parametrize(
    "content",
    ["", "name,size\na,1\n", "epoch,loss\n1\n", "epoch\nx\n", '"epoch', "\x00", "epoch\n1\n"],
    ids=["empty", "foreign", "short line", "no number", "open quote", "binary", "few columns"],
)
def test_other_files_are_refused(content: str, tmp_path: Path) -> None:
    """The file is named, in one line."""
    (tmp_path / "log.csv").write_text(content)

    with pytest.raises(ConfigError, match=r"log\.csv': not a table of epochs") as caught:
        read_log(tmp_path / "log.csv")

    assert "\n" not in str(caught.value)


def test_missing_log_is_named(tmp_path: Path) -> None:
    """A run folder without a log is a setting that can be corrected."""
    with pytest.raises(ConfigError, match=r"none\.csv': cannot be read \(No such file"):
        read_log(tmp_path / "none.csv")


def test_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """No half table, and the reason in one line."""
    with pytest.raises(OutputError, match=r"log\.csv': cannot be written"):
        write_log(tmp_path / "nowhere" / "log.csv", [RECORD], ["a", "b"])


def test_records_of_older_states_load() -> None:
    """A state written before the newer fields existed can be resumed."""
    stored = json.loads(json.dumps(dataclasses.asdict(FIRST_VERSION)))
    old = {name: stored[name] for name in list(stored)[:8]}

    assert EpochRecord(**old) == FIRST_VERSION


def test_best_epoch_is_the_first_of_the_highest_dice() -> None:
    """Ties go to the earlier epoch, and epochs without a score never win."""
    scores = [math.nan, 0.5, 0.75, 0.75, 0.25]
    history = [
        dataclasses.replace(RECORD, epoch=number, macro_dice=score)
        for number, score in enumerate(scores, 1)
    ]

    best = best_record(history)

    assert best is not None
    assert best.epoch == 3
    assert best_record([]) is None


def test_sets_are_numbered_when_there_are_several() -> None:
    """One set needs no number."""
    assert set_names(["a", "b"], 2) == ["a", "b"]
    assert set_names(["a", "b"], 4) == ["a (0)", "b (0)", "a (1)", "b (1)"]


def test_line_for_people_names_epoch_and_delta() -> None:
    """The line holds what a person watches."""
    text = describe_epoch(RECORD, 9)

    assert text.startswith("epoch 1/9: loss 0.5000, macro Dice 0.7500")
    assert "delta [-0.250 +0.250]" in text
    assert text.endswith("320 patches/s")


def test_line_for_people_leaves_out_what_is_not_known() -> None:
    """No empty brackets, no speed of 0."""
    text = describe_epoch(dataclasses.replace(FIRST_VERSION, delta=[]), 9)

    assert "delta" not in text
    assert text.endswith("2 s")
