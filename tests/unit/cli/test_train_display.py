"""What a person sees of a training run: on a terminal, in a log file, and with --quiet."""

import dataclasses
import io
import logging
import math
from collections.abc import Iterator

import click
import pytest
from rich.console import Console

from dfaseg.classmap import ClassMap
from dfaseg.cli import train_display
from dfaseg.cli.train_display import show_training
from dfaseg.cli.train_screen import TrainScreen
from dfaseg.cli.train_status import RunStatus, in_words
from dfaseg.cli.train_table import sparkline
from dfaseg.training.runlog import EpochRecord

CLASSES = ClassMap.from_records(
    [
        {"index": 0, "name": "stroma", "colour": "#d9d9d9"},
        {"index": 1, "name": "a class with a name that no terminal is wide enough for, ever",
         "colour": "#c1121f"},
    ]
)  # fmt: skip
RECORD = EpochRecord(
    epoch=1, loss=0.5, lr=0.001, seconds=60.0, macro_dice=0.75, pixel_accuracy=0.8,
    dice=[0.625, 0.875], delta=[-0.25, 0.75], patches_per_second=320.0, bias=[-0.5, 0.5],
)  # fmt: skip


@pytest.fixture(autouse=True)
def log() -> Iterator[logging.Logger]:
    """Speak as the command does by default; commands of other tests may have set other levels."""
    logger = logging.getLogger("dfaseg")
    before = logger.level
    logger.setLevel(logging.INFO)
    yield logger
    logger.setLevel(before)


def _terminal(width: int = 80, height: int = 40) -> Console:
    return Console(
        file=io.StringIO(), force_terminal=True, width=width, height=height, legacy_windows=False,
        color_system=None, _environ={"TERM": "xterm"},
    )  # fmt: skip


def _drawn(status: RunStatus, width: int = 80, height: int = 40) -> str:
    console = _terminal(width, height)
    console.print(TrainScreen(status))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def _status(*records: EpochRecord, class_map: ClassMap = CLASSES) -> RunStatus:
    num_classes = len(class_map)
    status = RunStatus(class_map, [1 / num_classes] * num_classes, 24)
    status.begin(records, 9)
    return status


def _many(num_classes: int) -> ClassMap:
    records = [{"index": i, "name": f"k{i}", "colour": "#808080"} for i in range(num_classes)]
    return ClassMap.from_records(records)


def test_screen_shows_scores_and_bias_of_each_class() -> None:
    """Dice, the bias minus its mean, macro Dice and the best epoch."""
    text = _drawn(_status(RECORD, dataclasses.replace(RECORD, epoch=2, macro_dice=0.5)))

    stroma = next(line for line in text.splitlines() if "stroma" in line)
    assert "50.0 %" in stroma
    assert "0.625" in stroma
    assert "−0.500" in stroma
    assert "3/9" in text
    assert "macro Dice 0.5000  best 0.7500 (epoch 1)" in text


@pytest.mark.parametrize("width", [50, 80, 120, 200])
@pytest.mark.parametrize("num_classes", [1, 2, 21])
def test_screen_fits_the_terminal(width: int, num_classes: int) -> None:
    """No line is wrapped, and all is shown in the height there is."""
    record = dataclasses.replace(
        RECORD, dice=[0.5] * num_classes, delta=[0.25, -0.25] * num_classes,
        bias=[1.0] + [0.0] * (2 * num_classes - 1),
    )  # fmt: skip
    long_names = ClassMap(
        tuple(dataclasses.replace(c, name=f"{c.name} {'x' * 40}") for c in _many(num_classes))
    )

    lines = _drawn(_status(record, class_map=long_names), width, height=20).splitlines()

    assert max(map(len, lines)) <= width
    assert len(lines) <= 20


def test_classes_without_room_are_the_easy_ones() -> None:
    """On a low terminal the classes that need attention stay."""
    record = dataclasses.replace(RECORD, dice=[i / 20 for i in range(20)], delta=[], bias=[])

    text = _drawn(_status(record, class_map=_many(20)), height=16)

    assert "k0 " in text
    assert "k19" not in text
    assert "and 15 more" in text


@pytest.mark.parametrize(
    ("delta", "bias", "headings"),
    [
        ([], [], set()),
        ([], [0.0, 0.0], set()),
        ([], [0.5, -0.5], {"b−mean"}),
        ([0.5, -0.5], [0.5, -0.5], {"δ−mean"}),
        ([0.5, -0.5], [1.5, -1.5], {"δ−mean", "b−mean"}),
    ],
    ids=["old log", "no bias", "fixed bias", "learned", "anchored"],
)
def test_bias_columns_follow_the_mode(
    delta: list[float], bias: list[float], headings: set[str]
) -> None:
    """Modes without delta show none, and b is shown where it holds more than delta."""
    text = _drawn(_status(dataclasses.replace(RECORD, delta=delta, bias=bias)), width=120)

    assert {name for name in ("δ−mean", "b−mean") if name in text} == headings


def test_class_that_does_not_occur_is_called_absent() -> None:
    """NaN is no score of 0."""
    text = _drawn(_status(dataclasses.replace(RECORD, dice=[math.nan, 0.5])))

    assert "absent" in text
    assert "nan" not in text


def test_screen_before_the_first_epoch_is_calm() -> None:
    """Nothing is known yet, and nothing breaks."""
    text = _drawn(_status())

    assert "starting" in text
    assert "no epoch has been scored yet" in text


def test_screen_says_when_validation_is_scored() -> None:
    """After the last step the bar does not simply stand still."""
    status = _status(RECORD)
    status.store_step(5, 5, 0.25)

    assert "scoring the validation split" in _drawn(status)


def test_speed_leaves_the_first_step_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first step may compile kernels; the others tell how fast it goes."""
    times = iter([0.0, 100.0, 101.0, 102.0])
    monkeypatch.setattr("dfaseg.cli.train_status.time.monotonic", lambda: next(times))
    status = RunStatus(CLASSES, [0.5, 0.5], 24, epoch_start=0.0)
    status.begin((), 2)

    for step in (1, 2, 3):
        status.store_step(step, 10, 0.5)

    assert status.patches_per_second == 24.0
    assert status.seconds_left() == 17.0


def test_resumed_run_keeps_its_best_epoch() -> None:
    """The epochs that it goes on from are drawn, and compared with those to come."""
    history = [dataclasses.replace(RECORD, epoch=1), dataclasses.replace(RECORD, epoch=2)]
    status = RunStatus(CLASSES, [0.5, 0.5], 24)

    status.begin(history, 9)

    text = _drawn(status)
    assert "3/9" in text  # the one under way
    assert "best 0.7500 (epoch 1)" in text


def test_terminal_shows_the_last_epoch_and_keeps_log_lines() -> None:
    """The live display ends with the final scores; warnings stand above it."""
    console = _terminal()

    with show_training(CLASSES, [0.5, 0.5], 24, console=console) as observer:
        observer.on_start((), 1)
        observer.on_step(1, 1, 0.5)
        click.echo("dfaseg: warning: something", err=True)
        observer.on_epoch(RECORD)

    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "dfaseg: warning: something\n" in text
    assert "macro Dice 0.7500" in text
    assert "all epochs are done" in text


def test_run_that_settles_early_is_not_left_hanging() -> None:
    """The last picture says that it ended, and no step is under way."""
    console = _terminal()

    with show_training(CLASSES, [0.5, 0.5], 24, console=console) as observer:
        observer.on_start((), 9)
        observer.on_step(1, 1, math.nan)
        observer.on_epoch(RECORD)

    assert isinstance(console.file, io.StringIO)
    last = console.file.getvalue().rpartition("epoch ━")[2]
    assert "1/9 ended after epoch 1" in last
    assert "step" not in last
    assert "nan" not in console.file.getvalue()


def test_log_file_gets_one_line_per_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    """No control characters, and nothing for the steps of a short epoch."""
    with show_training(CLASSES, [0.5, 0.5], 24, console=Console(file=io.StringIO())) as observer:
        observer.on_start((), 2)
        for record in (RECORD, dataclasses.replace(RECORD, epoch=2, macro_dice=0.5)):
            observer.on_step(1, 2, 0.5)
            observer.on_step(2, 2, 0.5)
            observer.on_epoch(record)

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("dfaseg: epoch 1/2: loss 0.5000, macro Dice 0.7500")
    assert lines[0].endswith("best so far")
    assert not lines[1].endswith("best so far")


def test_long_epoch_gives_a_sign_of_life(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line now and then, for those who watch a log file."""
    monkeypatch.setattr(train_display, "PLAIN_SECONDS", 0.0)

    with show_training(CLASSES, [0.5, 0.5], 24, console=Console(file=io.StringIO())) as observer:
        observer.on_start((), 2)
        observer.on_step(1, 400, 0.25)

    assert "dfaseg: epoch 1/2, step 1/400, loss 0.2500" in capsys.readouterr().err


def test_quiet_run_shows_nothing(log: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    """With --quiet even a terminal stays empty."""
    log.setLevel(logging.WARNING)
    console = _terminal()

    with show_training(CLASSES, [0.5, 0.5], 24, console=console) as observer:
        observer.on_start((), 1)
        observer.on_step(1, 1, 0.5)
        observer.on_epoch(RECORD)

    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == ""
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("course", "expected"),
    [
        ([], "    "),
        ([0.0, 0.5, 1.0], "▁▄▇ "),
        ([math.nan, 0.0, 1.0], " ▁▇ "),
        ([0.5, 0.5], "▁▁  "),
        ([0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0], "▁▁▇▇"),
    ],
    ids=["empty", "rising", "gap", "steady", "longer than wide"],
)
def test_sparkline_is_as_wide_as_asked(course: list[float], expected: str) -> None:
    """Blocks from lowest to highest; noise stays flat; long courses are averaged."""
    assert sparkline(course, 4) == expected


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, ""), (math.inf, ""), (4.2, "4 s"), (600, "10 min"), (8000, "2 h 13 min")],
)
def test_durations_read_as_people_say_them(seconds: float | None, words: str) -> None:
    """Seconds, minutes or hours, whichever is short."""
    assert in_words(seconds) == words
