"""A whole training run on made-up images: files, resuming, failing."""

import dataclasses
import json
import math
import shutil
import tomllib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, get_args

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from dfaseg.classmap import ClassMap
from dfaseg.cli.main import cli
from dfaseg.datasets.dataset import Dataset, Example, LabelledImage
from dfaseg.errors import (
    CheckpointError,
    ConfigError,
    DatasetError,
    OutputError,
    OutputExistsError,
    StoppedError,
    TrainingError,
)
from dfaseg.model.checkpoint import hash_file, load_checkpoint
from dfaseg.model.class_bias import BiasMode
from dfaseg.training import loop
from dfaseg.training.batches import EpochPlan, plan_epoch
from dfaseg.training.device import choose_placement
from dfaseg.training.loop import Trainer
from dfaseg.training.losses.segmentation import LossValue, SegmentationLoss
from dfaseg.training.losses.spec import LossName, LossSpec
from dfaseg.training.prepare import TrainRequest, prepare_training
from dfaseg.training.run_folder import RunFolder
from dfaseg.training.runlog import EpochRecord, read_log
from dfaseg.training.spec import BiasSpec, NetworkSpec, OptimiserSpec, TeachingSpec, TrainSpec
from dfaseg.training.world import World
from tests.labelled import make_dataset, write_ebhi_tree

SPEC = TrainSpec(
    dataset="ebhi",
    epochs=3,
    batch_size=4,
    network=NetworkSpec(preset="tiny"),
    optimiser=OptimiserSpec(lr=5e-3, ema_decay=0.9),
)


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Return made-up images."""
    return make_dataset()


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def _trainer(spec: TrainSpec, data: Dataset, run_dir: Path) -> Trainer:
    return Trainer(spec, data, run_dir, choose_placement("cpu", "fp32"), draws=False)


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
    history = (tmp_path / "log.csv").read_text().splitlines()
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


def test_log_is_whole_after_a_kill_between_state_and_log(data: Dataset, tmp_path: Path) -> None:
    """The state is saved first; the last epoch's line is made up for on resuming."""
    _trainer(SPEC, data, tmp_path).run()
    log = tmp_path / "log.csv"
    whole = log.read_text()
    log.write_text("".join(whole.splitlines(keepends=True)[:-1]))

    _trainer(SPEC, data, tmp_path).run(resume=True)

    assert log.read_text() == whole


def test_held_run_can_be_given_another_end(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long run on hold, cut short on resuming, equals the short run."""
    held = dataclasses.replace(SPEC.optimiser, schedule="hold", decay_epochs=1)
    short = dataclasses.replace(SPEC, optimiser=held)
    late = dataclasses.replace(held, decay_epochs=20)
    long = dataclasses.replace(SPEC, epochs=50, optimiser=late)
    whole = _trainer(short, data, tmp_path / "whole").run()
    _run_until(monkeypatch, 2, _trainer(long, data, tmp_path / "parts"))

    parts = _trainer(short, data, tmp_path / "parts").run(resume=True)

    assert parts.model_path.read_bytes() == whole.model_path.read_bytes()


def test_resuming_with_other_settings_is_refused(data: Dataset, tmp_path: Path) -> None:
    """Settings that change the result are named, with old and new value."""
    _trainer(dataclasses.replace(SPEC, epochs=1), data, tmp_path).run()

    with pytest.raises(ConfigError, match=r"epochs 1 \(now 3\)"):
        _trainer(SPEC, data, tmp_path).run(resume=True)


def test_resuming_with_other_data_is_refused(data: Dataset, tmp_path: Path) -> None:
    """An image that was learned from must not come into the test split of the same run."""
    _trainer(SPEC, data, tmp_path).run()
    moved = dataclasses.replace(data, train=data.train[1:], test=(*data.test, data.train[0]))

    with pytest.raises(DatasetError, match=r"training split 12 images .*\(now 11 images .*; test"):
        _trainer(SPEC, moved, tmp_path).run(resume=True)


@pytest.mark.parametrize(
    ("split", "told"),
    [
        ("train", r"other data: pixels of training images #\w+ \(now #\w+\); put"),
        ("val", r"other data: pixels of validation images #"),
    ],
)
@pytest.mark.parametrize("is_label", [False, True], ids=["image", "label"])
def test_resuming_with_other_pixels_is_refused(
    data: Dataset, tmp_path: Path, split: str, told: str, is_label: bool
) -> None:
    """An image that was got again, or a label drawn anew with as many pixels of each class."""
    spec = dataclasses.replace(SPEC, epochs=1)
    _trainer(spec, data, tmp_path).run()
    first, *others = getattr(data, split)
    image, label = first.read()
    turned = LabelledImage(image, label[::-1]) if is_label else LabelledImage(image[::-1], label)
    changed = dataclasses.replace(first, read=lambda: turned)
    other = dataclasses.replace(data, **{split: (changed, *others)})

    with pytest.raises(DatasetError, match=told):
        _trainer(spec, other, tmp_path).run(resume=True)


def test_state_that_does_not_name_its_data_is_resumed(data: Dataset, tmp_path: Path) -> None:
    """Those of earlier versions do not."""
    _trainer(SPEC, data, tmp_path).run()
    state = tmp_path / "last.safetensors"
    with safe_open(state, framework="pt") as file:
        metadata = file.metadata()
    del metadata["data"]
    save_file(load_file(state), state, metadata)

    _trainer(SPEC, data, tmp_path).run(resume=True)


@pytest.mark.parametrize(
    ("name", "advice"),
    [("last.safetensors", "pass --resume"), ("model.safetensors", "no last.safetensors")],
)
def test_run_is_never_overwritten(name: str, advice: str, data: Dataset, tmp_path: Path) -> None:
    """A folder that holds a run is refused; --resume is advised only where it would do."""
    (tmp_path / name).write_bytes(b"precious")

    with pytest.raises(OutputExistsError, match=advice):
        _trainer(SPEC, data, tmp_path).run()

    assert (tmp_path / name).read_bytes() == b"precious"


@pytest.mark.parametrize("content", [None, b"", b"\x08\0\0\0\0\0\0\0{}      "])
def test_state_that_cannot_be_read_is_named(
    content: bytes | None, data: Dataset, tmp_path: Path
) -> None:
    """A missing, empty or foreign state is one clear error."""
    if content is not None:
        (tmp_path / "last.safetensors").write_bytes(content)

    with pytest.raises(CheckpointError, match=r"last\.safetensors"):
        _trainer(SPEC, data, tmp_path).run(resume=True)


def test_loss_that_is_no_number_stops_and_keeps_the_last_epoch(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says where it happened and on what; the epoch before is still there."""
    steps_of_first_epoch = 3
    calls = iter(range(100))

    def fail_later(self: SegmentationLoss, *parts: Any) -> LossValue:
        value = forward(self, *parts)
        factor = math.nan if next(calls) > steps_of_first_epoch else 1
        return LossValue(value.total * factor, value.terms)

    forward = SegmentationLoss.forward
    monkeypatch.setattr(SegmentationLoss, "forward", fail_later)

    with pytest.raises(TrainingError, match=r"epoch 2, step 2 \(images image-\d+, "):
        _trainer(SPEC, data, tmp_path).run()

    assert (tmp_path / "last.safetensors").is_file()
    assert (tmp_path / "model.safetensors").is_file()
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 2


@pytest.mark.parametrize("mode", ["none", "cffa", "hcfa", "dfa_anchored", "frozen_init", "cold"])
def test_every_bias_mode_trains(mode: BiasMode, data: Dataset, tmp_path: Path) -> None:
    """Delta is logged where it is learned, and nowhere else."""
    bias = BiasSpec(mode=mode, baseline_dice=(0.9, 0.5, 0.7))
    _trainer(dataclasses.replace(SPEC, epochs=1, bias=bias), data, tmp_path).run()

    header = (tmp_path / "log.csv").read_text().splitlines()[0]
    assert ("delta" in header) == (mode in {"dfa_anchored", "cold"})


@pytest.mark.parametrize("name", [name for name in get_args(LossName) if name != "focal_dice"])
def test_every_loss_trains(name: LossName, data: Dataset, tmp_path: Path) -> None:
    """Any loss goes with the class bias, and with a state that is saved."""
    spec = dataclasses.replace(SPEC, epochs=1, loss=LossSpec(name=name))

    result = _trainer(spec, data, tmp_path).run()

    assert load_checkpoint(result.model_path).card.bias.mode == "dfa"


def test_compiler_that_fails_is_one_line(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where torch.compile does not work, the user is told to do without."""

    def broken(_graph: object, _inputs: object) -> None:
        raise RuntimeError("no compiler")

    compile_with = torch.nn.Module.compile
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self: compile_with(self, backend=broken))
    spec = dataclasses.replace(SPEC, compile=True)

    with pytest.raises(TrainingError, match=r"torch\.compile: .*--no-compile"):
        _trainer(spec, data, tmp_path).run()


def test_compiled_network_learns_the_same(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What torch.compile records of network and gradient is the network and its gradient."""
    # The recorded graphs are run as they are: turning them into C++ takes minutes.
    compile_with = torch.nn.Module.compile
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda self: compile_with(self, backend="aot_eager")
    )

    for compiles in (False, True):
        spec = dataclasses.replace(SPEC, epochs=1, compile=compiles)
        _trainer(spec, data, tmp_path / str(compiles)).run()

    plain, compiled = (read_log(tmp_path / str(c) / "log.csv").history[0] for c in (False, True))
    assert compiled.loss == pytest.approx(plain.loss, rel=1e-3)


def test_posthoc_adjustment_favours_rare_classes(data: Dataset, tmp_path: Path) -> None:
    """The written network's logits are the trained one's minus the logarithm of the frequency."""
    still = OptimiserSpec(lr=1e-12, ema_decay=0)
    spec = dataclasses.replace(SPEC, epochs=1, bias=BiasSpec("none"), optimiser=still)
    adjusted = dataclasses.replace(spec, loss=LossSpec(name="logit_adjusted_posthoc"))
    plain = dataclasses.replace(spec, loss=LossSpec(name="ce"))
    images = torch.rand(1, 3, 64, 64)

    loaded = [
        load_checkpoint(_trainer(chosen, data, tmp_path / chosen.loss.name).run().model_path)
        for chosen in (adjusted, plain)
    ]

    with torch.no_grad():
        difference = loaded[0].model(images).logits - loaded[1].model(images).logits
    expected = -np.log(loaded[0].card.pixel_frequencies)
    assert difference.mean(dim=(0, 2, 3)).numpy() == pytest.approx(expected, abs=1e-4)


def test_state_of_the_loss_is_resumed(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The counts of the seesaw loss go on, so that the result is the same."""
    spec = dataclasses.replace(SPEC, loss=LossSpec(name="seesaw"))
    whole = _trainer(spec, data, tmp_path / "whole").run()
    _run_until(monkeypatch, 1, _trainer(spec, data, tmp_path / "parts"))

    parts = _trainer(spec, data, tmp_path / "parts").run(resume=True)

    assert parts.model_path.read_bytes() == whole.model_path.read_bytes()


def test_run_that_gets_no_better_ends_early(data: Dataset, tmp_path: Path) -> None:
    """With a rate that moves nothing, only ``patience`` epochs follow the best one."""
    still = OptimiserSpec(lr=1e-12, ema_decay=0)
    spec = dataclasses.replace(SPEC, epochs=9, patience=2, optimiser=still, bias=BiasSpec("none"))

    result = _trainer(spec, data, tmp_path).run()

    epochs = len((tmp_path / "log.csv").read_text().splitlines()) - 1
    assert epochs == result.best_epoch + 2 < 9


def test_parts_of_a_batch_learn_like_the_whole(data: Dataset, tmp_path: Path) -> None:
    """Two halves, one after the other, move the weights almost as the batch at once.

    Not exactly: batch statistics and the Dice term are those of a half.
    """
    losses = []
    for parts in (1, 2):
        spec = dataclasses.replace(SPEC, epochs=1, accumulate=parts, loss=LossSpec(name="ce"))
        _trainer(spec, data, tmp_path / str(parts)).run()
        losses.append(read_log(tmp_path / str(parts) / "log.csv").history[0].loss)

    assert losses[1] == pytest.approx(losses[0], rel=0.1)


def test_network_learns_from_another_one(data: Dataset, tmp_path: Path) -> None:
    """With nothing left to the labels it comes nearer to its teacher; a stopped run goes on."""
    teacher = _trainer(dataclasses.replace(SPEC, epochs=4), data, tmp_path / "teacher").run()
    teaching = TeachingSpec(teachers=(str(teacher.model_path),), share=1.0)
    spec = dataclasses.replace(SPEC, epochs=6, seed=1, teaching=teaching)

    _trainer(spec, data, tmp_path / "student").run()
    other = dataclasses.replace(spec, teaching=dataclasses.replace(teaching, share=0.5))
    with pytest.raises(ConfigError, match=r"teaching\.share 1\.0 \(now 0\.5\)"):
        _trainer(other, data, tmp_path / "student").run(resume=True)

    card = load_checkpoint(tmp_path / "student" / "model.safetensors").card
    assert card.description.endswith(", taught by 1 other model.")
    history = read_log(tmp_path / "student" / "log.csv").history
    assert history[-1].terms["teachers"] < 0.5 * history[0].terms["teachers"]
    assert [epoch.loss for epoch in history] == pytest.approx(
        [epoch.terms["teachers"] for epoch in history], rel=1e-4
    )


def test_stop_leaves_the_last_epoch_to_resume(data: Dataset, tmp_path: Path) -> None:
    """A run told to stop ends at the next step, with its finished epochs kept."""
    stop = Event()

    class _StopInSecondEpoch:
        def on_start(self, history: Sequence[EpochRecord], num_epochs: int) -> None: ...

        def on_step(self, step: int, num_steps: int, loss: float) -> None: ...

        def on_epoch(self, record: EpochRecord) -> None:
            assert record.epoch == 1
            stop.set()

    with pytest.raises(StoppedError, match="after epoch 1; run again with --resume"):
        _trainer(SPEC, data, tmp_path).run(stop=stop, observers=[_StopInSecondEpoch()])

    resumed = _trainer(SPEC, data, tmp_path).run(resume=True)
    whole = _trainer(SPEC, data, tmp_path / "whole").run()
    assert resumed.model_path.read_bytes() == whole.model_path.read_bytes()


@pytest.mark.parametrize("resume", [False, True])
def test_two_runs_in_one_folder_are_refused(resume: bool, data: Dataset, tmp_path: Path) -> None:
    """Each would write over the other's settings, model and state."""
    if resume:
        _trainer(SPEC, data, tmp_path).run()

    with RunFolder(tmp_path).held(), pytest.raises(OutputError, match="another run"):
        _trainer(SPEC, data, tmp_path).run(resume=resume)

    assert (tmp_path / "config.toml").exists() == resume


def test_stop_in_the_first_epoch_advises_what_will_do(data: Dataset, tmp_path: Path) -> None:
    """There is no state to resume from yet: the same command goes on."""
    stop = Event()
    stop.set()

    with pytest.raises(StoppedError, match="in the first epoch; run the same command again"):
        _trainer(SPEC, data, tmp_path).run(stop=stop)

    with pytest.raises(StoppedError):
        _trainer(SPEC, data, tmp_path).run(stop=stop)


@pytest.mark.parametrize("mode", ["dfa", "cffa"])
def test_class_without_pixels_is_left_out(
    mode: BiasMode, data: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A class that no mask holds is warned of, has no score and no prior, and spoils nothing."""
    records = [*data.info.class_map.to_records()]
    records.append({"index": 3, "name": "never", "colour": "#123456"})
    info = dataclasses.replace(data.info, class_map=ClassMap.from_records(records))
    spec = dataclasses.replace(SPEC, bias=BiasSpec(mode=mode))

    result = _trainer(spec, dataclasses.replace(data, info=info), tmp_path).run()

    assert result.test.macro_dice > 0.3
    assert load_checkpoint(result.model_path).card.pixel_frequencies[3] == 0
    assert "no pixel of 'never'" in caplog.text
    assert "255" not in caplog.text


def test_masks_of_black_and_white_are_told_of(
    data: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where 255 is meant as a class all of it is ignored, which nobody would look for."""
    train = tuple(dataclasses.replace(e, read=partial(_as_one_class, e)) for e in data.train)
    spec = dataclasses.replace(SPEC, epochs=1)

    _trainer(spec, dataclasses.replace(data, train=train), tmp_path).run()

    assert "codes = [255] and ignore = []" in caplog.text


def test_test_split_without_labels_is_warned_of(
    data: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The run is worth its model all the same."""
    blank = tuple(dataclasses.replace(one, read=partial(_unlabelled, one)) for one in data.test)

    result = _trainer(SPEC, dataclasses.replace(data, test=blank), tmp_path).run()

    assert math.isnan(result.test.macro_dice)
    assert "test split: no labelled pixel" in caplog.text


def _unlabelled(example: Example) -> LabelledImage:
    image, label = example.read()
    return LabelledImage(image, np.full_like(label, 255))


def test_single_class_trains(data: Dataset, tmp_path: Path) -> None:
    """Nothing can be learned of one class, and nothing goes wrong."""
    only = ClassMap.from_records([{"index": 0, "name": "all", "colour": "#808080"}])
    info = dataclasses.replace(data.info, class_map=only)
    splits = {
        name: tuple(dataclasses.replace(e, read=partial(_as_one_class, e)) for e in examples)
        for name, examples in (("train", data.train), ("val", data.val), ("test", data.test))
    }
    spec = dataclasses.replace(SPEC, epochs=1)

    result = _trainer(spec, dataclasses.replace(data, info=info, **splits), tmp_path).run()

    assert result.test.macro_dice == 1.0


def _as_one_class(example: Example) -> LabelledImage:
    image, label = example.read()
    return LabelledImage(image, np.where(label == 255, 255, 0).astype(np.uint8))


def test_scores_are_written_by_case(data: Dataset, tmp_path: Path) -> None:
    """What a bootstrap over cases needs lies beside the model."""
    result = _trainer(dataclasses.replace(SPEC, epochs=1), data, tmp_path).run()

    scores = json.loads((tmp_path / "scores.json").read_text())
    by_case = scores["test"]["confusion_by_case"]
    assert scores["test"]["macro_dice"] == pytest.approx(result.test.macro_dice, abs=1e-6)
    assert by_case.keys() == {example.case for example in data.test}
    assert np.sum(list(by_case.values())) == sum((e.read().label != 255).sum() for e in data.test)


def test_command_reports_the_scores(tmp_path: Path) -> None:
    """``dfaseg train`` reads the data set, trains and says where the model lies."""
    write_ebhi_tree(tmp_path / "data")
    arguments = ["--dataset", "ebhi", "--root", str(tmp_path / "data"), "--preset", "tiny"]
    limits = ["--epochs", "1", "--batch-size", "2", "--device", "cpu", "--workers", "1"]

    result = CliRunner().invoke(cli, ["train", *arguments, *limits, "--out", str(tmp_path / "run")])

    assert result.exit_code == 0, result.output
    assert "model.safetensors (epoch 1)" in result.stdout
    assert "Normal: test Dice" in result.stdout


def test_command_takes_teachers(tmp_path: Path) -> None:
    """As often as they are named; without the option, those of the file stay."""
    write_ebhi_tree(tmp_path / "data")
    common = ["--root", str(tmp_path / "data"), "--device", "cpu", "--workers", "1", "--out"]
    limits = ["--dataset", "ebhi", "--preset", "tiny", "--epochs", "1", "--batch-size", "2"]
    runs = [tmp_path / name for name in ("first", "second", "third", "fourth")]
    for run in runs[:2]:
        assert CliRunner().invoke(cli, ["train", *limits, *common, str(run)]).exit_code == 0
    models = [str(run / "model.safetensors") for run in runs[:2]]
    teachers = [word for model in models for word in ("--teacher", model)]

    taught = CliRunner().invoke(cli, ["train", *limits, *teachers, *common, str(runs[2])])
    config = ["--config", str(runs[2] / "config.toml")]
    again = CliRunner().invoke(cli, ["train", *config, *common, str(runs[3])])

    assert (taught.exit_code, again.exit_code) == (0, 0), taught.output + again.output
    for run in runs[2:]:
        teaching = tomllib.loads((run / "config.toml").read_text())["teaching"]
        hashes = [hash_file(Path(model)) for model in models]
        assert teaching == {"teachers": models, "sha256": hashes, "share": 0.5}
        assert "loss teachers" in (run / "log.csv").read_text()


def test_share_without_teachers_is_refused(tmp_path: Path) -> None:
    """It had no effect: the run learned from labels alone and said nothing."""
    command = ["train", "--dataset", "synthetic", "--out", str(tmp_path / "run")]

    result = CliRunner().invoke(cli, [*command, "--teacher-share", "0.8"])

    assert result.exit_code == 1
    assert "--teacher-share has no effect without teachers; name them with --teacher" in (
        result.stderr
    )
    assert not (tmp_path / "run").exists()


def test_options_without_effect_are_told_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """They were ignored in silence; what stands in a file needs no words."""
    config = tmp_path / "config.toml"
    config.write_text('dataset = "synthetic"\n[bias]\nmode = "none"\nclip = 1.0\n')
    settings = {"bias.alpha": 0.3, "optimiser.decay_epochs": 5, "epochs": 1}

    prepare_training(TrainRequest(tmp_path / "run", settings, config_path=config), World())

    assert [record.getMessage() for record in caplog.records] == [
        "without effect in this run: --alpha (needs --bias dfa or frozen_init); --decay-epochs"
        " (needs --schedule hold)"
    ]


def test_run_goes_on_with_the_teachers_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From any folder; another file under the same name is refused."""
    write_ebhi_tree(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    common = ["--dataset", "ebhi", "--root", "data", "--preset", "tiny", "--batch-size", "2"]
    limits = ["--epochs", "1", "--device", "cpu", "--workers", "1", "--no-plots"]
    resume = ["train", "--resume", "--out", str(tmp_path / "run"), "--device", "cpu", "--no-plots"]
    for seed, name in enumerate(("one", "other")):
        command = ["train", *common, *limits, "--seed", str(seed), "--out", name]
        assert CliRunner().invoke(cli, command).exit_code == 0
    teacher = ["--teacher", "one/model.safetensors"]
    CliRunner().invoke(cli, ["train", *common, *limits, *teacher, "--out", "run"])

    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    resumed = CliRunner().invoke(cli, resume)
    shutil.copyfile(tmp_path / "other/model.safetensors", tmp_path / "one/model.safetensors")
    refused = CliRunner().invoke(cli, resume)

    assert resumed.exit_code == 0, resumed.output
    assert refused.exit_code == 1
    assert "is not the file that this run began with" in refused.stderr


def test_teachers_and_posthoc_adjustment_do_not_go_together() -> None:
    """What is written would not be what was learned."""
    loss = LossSpec(name="logit_adjusted_posthoc")
    with pytest.raises(ConfigError, match="teachers would teach others than are meant"):
        dataclasses.replace(SPEC, loss=loss, teaching=TeachingSpec(teachers=("m",)))
