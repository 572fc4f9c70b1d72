"""The folder of a run: what ``dfaseg status`` says of it, and whose files it may hold."""

import dataclasses
from pathlib import Path
from threading import Event

import pytest
import torch
from click.testing import CliRunner

from dfaseg.cli.main import cli
from dfaseg.datasets.dataset import Dataset
from dfaseg.errors import OutputExistsError, StoppedError
from dfaseg.training.device import choose_placement
from dfaseg.training.loop import Trainer
from dfaseg.training.run_folder import RunFolder
from dfaseg.training.runlog import EpochRecord, read_log
from dfaseg.training.spec import NetworkSpec, TrainSpec
from tests.labelled import make_dataset

SPEC = TrainSpec(dataset="ebhi", epochs=2, batch_size=4, network=NetworkSpec(preset="tiny"))


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Return made-up images."""
    return make_dataset()


def _trainer(data: Dataset, run_dir: Path, spec: TrainSpec = SPEC) -> Trainer:
    return Trainer(spec, data, run_dir, choose_placement("cpu", "fp32"), draws=False)


def _status(run_dir: Path) -> list[str]:
    shown = CliRunner().invoke(cli, ["status", str(run_dir)])
    assert shown.exit_code == 0, shown.output
    return [" ".join(line.split()) for line in shown.output.splitlines()]


class _AskAndStop:
    """Asks for the status after the first epoch, then stops the run."""

    def __init__(self, run_dir: Path) -> None:
        self.stop = Event()
        self.seen: list[str] = []
        self._run_dir = run_dir

    def on_start(self, history: object, num_epochs: int) -> None: ...

    def on_step(self, step: int, num_steps: int, loss: float) -> None: ...

    def on_epoch(self, _record: EpochRecord) -> None:
        self.seen = _status(self._run_dir)
        self.stop.set()


def test_status_says_how_a_run_stands(data: Dataset, tmp_path: Path) -> None:
    """At work, interrupted, done: each with its epochs and the best of them."""
    watcher = _AskAndStop(tmp_path)

    with pytest.raises(StoppedError):
        _trainer(data, tmp_path).run(stop=watcher.stop, observers=[watcher])
    first = read_log(tmp_path / "log.csv").history[0]
    best = f"best macro Dice {first.macro_dice:.4f} (epoch 1)"
    assert watcher.seen == ["training run in work", "epochs 1 of 2", best]
    assert _status(tmp_path) == ["training run interrupted", "epochs 1 of 2", best]

    _trainer(data, tmp_path).run(resume=True)
    assert _status(tmp_path)[:2] == ["training run done", "epochs 2 of 2"]


def test_status_of_a_run_before_its_first_epoch(data: Dataset, tmp_path: Path) -> None:
    """There is nothing that could be best."""
    stop = Event()
    stop.set()

    with pytest.raises(StoppedError):
        _trainer(data, tmp_path).run(stop=stop)

    assert _status(tmp_path) == ["training run interrupted", "epochs 0 of 2"]


def test_run_that_settled_early_is_done(data: Dataset, tmp_path: Path) -> None:
    """With patience, fewer epochs than were asked for are all there will be."""
    spec = dataclasses.replace(SPEC, epochs=30, patience=1)

    _trainer(data, tmp_path, spec).run()

    assert _status(tmp_path)[0] == "training run done"


def test_asking_changes_nothing(data: Dataset, tmp_path: Path) -> None:
    """Status may be asked of a run at work, as often as one likes."""
    _trainer(data, tmp_path).run()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}

    with RunFolder(tmp_path).held():
        assert _status(tmp_path)[0] == _status(tmp_path)[0] == "training run in work"

    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("name", ["config.toml", "log.csv", "scores.json"])
def test_files_of_others_are_not_replaced(name: str, data: Dataset, tmp_path: Path) -> None:
    """Settings written by hand into the run's own folder, too."""
    (tmp_path / name).write_text('dataset = "ebhi"\n')

    with pytest.raises(OutputExistsError, match=f"holds a {name} that a run would replace"):
        _trainer(data, tmp_path).run()

    assert (tmp_path / name).read_text() == 'dataset = "ebhi"\n'


def test_damaged_log_is_written_anew(data: Dataset, tmp_path: Path) -> None:
    """The state holds the whole history."""
    stop = _AskAndStop(tmp_path)
    with pytest.raises(StoppedError):
        _trainer(data, tmp_path).run(stop=stop.stop, observers=[stop])
    (tmp_path / "log.csv").write_text("no table of epochs\n")

    _trainer(data, tmp_path).run(resume=True)

    assert [record.epoch for record in read_log(tmp_path / "log.csv").history] == [1, 2]
