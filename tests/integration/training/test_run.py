"""A whole training run on made-up images: files, resuming, failing."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from dfaseg.cli.main import cli
from dfaseg.datasets.dataset import Dataset
from dfaseg.errors import CheckpointError, ConfigError, OutputExistsError, TrainingError
from dfaseg.model.checkpoint import load_checkpoint
from dfaseg.training import loop
from dfaseg.training.batches import EpochPlan, plan_epoch
from dfaseg.training.device import choose_placement
from dfaseg.training.loop import Trainer
from dfaseg.training.loss import segmentation_loss
from dfaseg.training.spec import TrainSpec
from tests.labelled import make_dataset, write_ebhi_tree

SPEC = TrainSpec(dataset="ebhi", preset="tiny", epochs=3, batch_size=4, lr=5e-3, ema_decay=0.9)


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Return made-up images."""
    return make_dataset()


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def _trainer(spec: TrainSpec, data: Dataset, run_dir: Path) -> Trainer:
    return Trainer(spec, data, run_dir, choose_placement("cpu", "fp32"))


def _run_until(monkeypatch: pytest.MonkeyPatch, epoch: int, trainer: Trainer) -> None:
    """Let the run end with Ctrl-C in the epoch after ``epoch``."""

    def plan_or_stop(weights: np.ndarray, batch_size: int, seed: int, number: int) -> EpochPlan:
        if number == epoch:
            raise KeyboardInterrupt
        return plan_epoch(weights, batch_size, seed, number)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "plan_epoch", plan_or_stop)
        with pytest.raises(KeyboardInterrupt):
            trainer.run()


def test_run_learns_and_leaves_a_complete_model(data: Dataset, tmp_path: Path) -> None:
    """Loss falls; the model file carries scores, bias and origin; the log has every epoch."""
    result = _trainer(dataclasses.replace(SPEC, epochs=6), data, tmp_path).run()

    card = load_checkpoint(result.model_path).card
    history = (tmp_path / loop.LOG_FILE).read_text().splitlines()
    losses = [float(line.split(",")[1]) for line in history[1:]]
    assert losses[-1] < losses[0]
    assert len(history) == 7
    assert card.metrics["test"]["macro_dice"] == pytest.approx(result.test.macro_dice, abs=1e-6)
    assert card.metrics["epoch"] == result.best_epoch
    assert card.bias.mode == "dfa"
    assert len(card.bias.delta) == 3
    assert sum(card.pixel_frequencies) == pytest.approx(1)
    assert card.training_data.licence == "CC0"
    assert (card.patch_px, card.overlap_px) == (128, 16)


def test_same_seed_gives_the_same_bytes(data: Dataset, tmp_path: Path) -> None:
    """Two runs of one seed end in equal model files; another seed does not."""
    spec = dataclasses.replace(SPEC, epochs=1)

    paths = [
        _trainer(dataclasses.replace(spec, seed=seed), data, tmp_path / name).run().model_path
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]

    first, again, other = (path.read_bytes() for path in paths)
    assert first == again
    assert first != other


def test_stopped_run_goes_on_to_the_same_result(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run killed in its third epoch and resumed ends in the very same model file."""
    whole = _trainer(SPEC, data, tmp_path / "whole").run()
    _run_until(monkeypatch, 2, _trainer(SPEC, data, tmp_path / "parts"))

    parts = _trainer(SPEC, data, tmp_path / "parts").run(resume=True)

    assert parts.model_path.read_bytes() == whole.model_path.read_bytes()


def test_held_run_can_be_given_another_end(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long run on hold, cut short on resuming, equals the short run."""
    short = dataclasses.replace(SPEC, schedule="hold", decay_epochs=1)
    long = dataclasses.replace(short, epochs=50, decay_epochs=20)
    whole = _trainer(short, data, tmp_path / "whole").run()
    _run_until(monkeypatch, 2, _trainer(long, data, tmp_path / "parts"))

    parts = _trainer(short, data, tmp_path / "parts").run(resume=True)

    assert parts.model_path.read_bytes() == whole.model_path.read_bytes()


def test_resuming_with_other_settings_is_refused(data: Dataset, tmp_path: Path) -> None:
    """Settings that change the result are named, with old and new value."""
    _trainer(dataclasses.replace(SPEC, epochs=1), data, tmp_path).run()

    with pytest.raises(ConfigError, match=r"epochs 1 \(now 3\)"):
        _trainer(SPEC, data, tmp_path).run(resume=True)


def test_run_is_never_overwritten(data: Dataset, tmp_path: Path) -> None:
    """A folder that holds a run is refused without --resume."""
    (tmp_path / loop.MODEL_FILE).write_bytes(b"precious")

    with pytest.raises(OutputExistsError, match="--resume"):
        _trainer(SPEC, data, tmp_path).run()

    assert (tmp_path / loop.MODEL_FILE).read_bytes() == b"precious"


@pytest.mark.parametrize("content", [None, b"", b"\x08\0\0\0\0\0\0\0{}      "])
def test_state_that_cannot_be_read_is_named(
    content: bytes | None, data: Dataset, tmp_path: Path
) -> None:
    """A missing, empty or foreign state is one clear error."""
    if content is not None:
        (tmp_path / loop.STATE_FILE).write_bytes(content)

    with pytest.raises(CheckpointError, match=loop.STATE_FILE):
        _trainer(SPEC, data, tmp_path).run(resume=True)


def test_loss_that_is_no_number_stops_and_keeps_the_last_epoch(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says where it happened; the state of the epoch before is still there."""
    steps_of_first_epoch = 3
    losses = iter(range(100))

    def fail_later(*parts: object, **settings: object) -> torch.Tensor:
        loss: torch.Tensor = segmentation_loss(*parts, **settings)  # type: ignore[arg-type]
        return loss * (math.nan if next(losses) > steps_of_first_epoch else 1)

    monkeypatch.setattr(loop, "segmentation_loss", fail_later)

    with pytest.raises(TrainingError, match="nan in epoch 2, step 2"):
        _trainer(SPEC, data, tmp_path).run()

    assert (tmp_path / loop.STATE_FILE).is_file()
    assert len((tmp_path / loop.LOG_FILE).read_text().splitlines()) == 2


@pytest.mark.parametrize("mode", ["none", "cffa", "dfa_anchored", "frozen_init", "cold"])
def test_every_bias_mode_trains(mode: str, data: Dataset, tmp_path: Path) -> None:
    """Delta is logged where it is learned, and nowhere else."""
    _trainer(dataclasses.replace(SPEC, epochs=1, bias_mode=mode), data, tmp_path).run()

    header = (tmp_path / loop.LOG_FILE).read_text().splitlines()[0]
    assert ("delta" in header) == (mode in {"dfa_anchored", "cold"})


def test_command_reports_the_scores(tmp_path: Path) -> None:
    """``dfaseg train`` reads the data set, trains and says where the model lies."""
    write_ebhi_tree(tmp_path / "data")
    arguments = ["--dataset", "ebhi", "--root", str(tmp_path / "data"), "--preset", "tiny"]
    limits = ["--epochs", "1", "--batch-size", "2", "--device", "cpu", "--workers", "1"]

    result = CliRunner().invoke(cli, ["train", *arguments, *limits, "--out", str(tmp_path / "run")])

    assert result.exit_code == 0, result.output
    assert "model.safetensors (epoch 1)" in result.stdout
    assert "Normal: test Dice" in result.stdout
