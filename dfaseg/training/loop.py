"""A training run: epochs of steps, validation, files, and going on after a stop."""

import copy
import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from dfaseg.datasets.dataset import Dataset
from dfaseg.datasets.load import load_split
from dfaseg.datasets.pixel_counts import image_weights, pixel_counts, pixel_frequencies
from dfaseg.errors import OutputError, OutputExistsError, TrainingError
from dfaseg.evaluation.metrics import Scores
from dfaseg.model.build import build_segmenter, preset_spec
from dfaseg.model.checkpoint import load_checkpoint, save_checkpoint
from dfaseg.model.segmenter import DfaSegmenter
from dfaseg.training.augment import PatchComposer
from dfaseg.training.batches import LabelledBatch, plan_epoch, stream_batches
from dfaseg.training.card import write_card
from dfaseg.training.device import Placement
from dfaseg.training.loss import segmentation_loss
from dfaseg.training.optimiser import (
    build_optimiser,
    clip_gradients,
    learning_rate_factor,
    set_learning_rate,
    update_average,
)
from dfaseg.training.runlog import EpochRecord, log_epoch, write_log
from dfaseg.training.spec import TrainSpec
from dfaseg.training.state import Progress, TrainState, load_state, save_state, seed_epoch
from dfaseg.training.validation import score_split

logger = logging.getLogger(__name__)

MODEL_FILE = "model.safetensors"
STATE_FILE = "last.safetensors"
LOG_FILE = "log.csv"
CONFIG_FILE = "config.json"


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What a finished run leaves.

    Attributes:
        model_path: Model file with the weights of the best epoch and its card.
        best_epoch: Epoch of the highest macro Dice on the validation split, from 1.
        val: Scores of that epoch's weights on the validation split.
        test: Their scores on the test split, computed once, at the end.
    """

    model_path: Path
    best_epoch: int
    val: Scores
    test: Scores


class Trainer:
    """One training run; all that decides its result is in the spec and the data."""

    def __init__(
        self,
        spec: TrainSpec,
        data: Dataset,
        run_dir: Path,
        placement: Placement,
        *,
        workers: int | None = None,
    ) -> None:
        self._spec, self._data, self._run_dir = spec, data, run_dir
        self._placement = placement
        self._workers = placement.default_workers if workers is None else workers
        self._num_classes = len(data.info.class_map)
        self._train, self._val = (load_split(split) for split in (data.train, data.val))
        counts = pixel_counts(self._train, self._num_classes)
        self._frequencies = tuple(float(share) for share in pixel_frequencies(counts))
        self._weights = image_weights(counts, spec.balance)
        self._composer = PatchComposer(
            self._train,
            self._weights,
            spec.augment,
            side_px=self._patch_px,
            glass_index=data.info.glass_index,
        )
        self._state = self._build_state()

    def run(self, *, resume: bool = False) -> TrainResult:
        """Train until the last epoch and score the best weights on the test split.

        Args:
            resume: Go on from the last finished epoch in the run folder.

        Raises:
            OutputExistsError: The folder holds a run and ``resume`` is not set.
            CheckpointError: There is no run to resume, or its state is damaged.
            ConfigError: The run to resume was started with other settings.
            TrainingError: The loss is not a number.
        """
        self._open_run_dir(resume=resume)
        progress = self._state.progress
        while progress.finished < self._spec.epochs:
            self._run_epoch(progress.finished)
        return self._finish()

    @property
    def _patch_px(self) -> int:
        return self._data.info.patch_px

    def _build_state(self) -> TrainState:
        spec = self._spec
        torch.manual_seed(spec.seed)
        model_spec = preset_spec(
            spec.preset, num_classes=self._num_classes, bias_mode=spec.bias_mode
        )
        network = build_segmenter(
            model_spec, pixel_frequencies=self._frequencies, alpha=spec.alpha, gamma=spec.gamma
        )
        network.to(self._placement.device).to(memory_format=torch.channels_last)
        average = copy.deepcopy(network) if spec.ema_decay > 0 else network
        optimiser = build_optimiser(network, _delta(network), spec)
        return TrainState(network, average, optimiser, Progress())

    def _open_run_dir(self, *, resume: bool) -> None:
        state_path = self._run_dir / STATE_FILE
        if resume:
            load_state(state_path, self._state, self._spec)
            logger.info("resuming after epoch %d", self._state.progress.finished)
            return
        if state_path.exists() or (self._run_dir / MODEL_FILE).exists():
            raise OutputExistsError(
                f"run folder '{self._run_dir}': already holds a run; pass --resume to go on with"
                " it or choose another --out"
            )
        try:
            self._run_dir.mkdir(parents=True, exist_ok=True)
            (self._run_dir / CONFIG_FILE).write_text(self._spec.to_json() + "\n", encoding="utf-8")
        except OSError as error:
            raise OutputError(
                f"run folder '{self._run_dir}': cannot be written ({error.strerror})"
            ) from error

    def _run_epoch(self, epoch: int) -> None:
        started = time.monotonic()
        seed_epoch(self._spec.seed, epoch)
        plan = plan_epoch(self._weights, self._spec.batch_size, self._spec.seed, epoch)
        self._state.network.train()
        total = 0.0
        first_step = epoch * len(plan)
        for step, batch in enumerate(stream_batches(self._composer, plan, self._workers)):
            total += self._take_step(batch, first_step + step, len(plan))
        scores = self._score_validation()
        self._record(epoch + 1, total / len(plan), scores, time.monotonic() - started)

    def _take_step(self, batch: LabelledBatch, step: int, steps_per_epoch: int) -> float:
        """Learn from one batch.

        Args:
            batch: Patches and labels.
            step: Number of the step in the whole run, from 0.
            steps_per_epoch: Steps in one epoch.

        Returns:
            The batch's loss.
        """
        spec, state = self._spec, self._state
        images = self._placement.normalise(batch.images)  # (n, 3, h, w)
        labels = self._placement.to_device(batch.labels)  # (n, h, w)
        with self._placement.autocast():
            logits, iou = state.network(images)  # (n, k, h/4, w/4)
        loss = segmentation_loss(
            logits, iou, labels, name=spec.loss, weights=spec.loss_weights, gamma=spec.gamma
        )
        value = loss.item()
        if not math.isfinite(value):
            raise TrainingError(
                f"training: the loss is {value} in epoch {step // steps_per_epoch + 1}, step"
                f" {step % steps_per_epoch + 1}; lower --lr or use --precision fp32 (the last"
                " finished epoch is kept)"
            )
        state.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        clip_gradients(state.optimiser, spec)
        factor = learning_rate_factor(step, steps_per_epoch, spec)
        set_learning_rate(state.optimiser, factor, spec)
        state.optimiser.step()
        if state.average is not state.network:
            update_average(state.average, state.network, spec.ema_decay, step)
        return value

    def _record(self, number: int, loss: float, scores: Scores, seconds: float) -> None:
        """Keep what the epoch brought: log, state, and the model if it is the best so far."""
        state, progress = self._state, self._state.progress
        record = EpochRecord(
            epoch=number,
            loss=loss,
            lr=float(state.optimiser.param_groups[0]["lr"]),
            seconds=seconds,
            macro_dice=scores.macro_dice,
            pixel_accuracy=scores.pixel_accuracy,
            dice=[float(value) for value in scores.dice],
            delta=[float(v) for p in _delta(state.network) for v in p.detach().flatten()],
        )
        progress.finished = number
        progress.history.append(record)
        if scores.macro_dice > progress.best_dice:
            progress.best_dice, progress.best_epoch = scores.macro_dice, number
            self._write_model(state.average, {"val": scores}, number)
        save_state(self._run_dir / STATE_FILE, state, self._spec)
        write_log(self._run_dir / LOG_FILE, progress.history, self._data.info.class_map.names)
        log_epoch(record, self._spec.epochs)

    def _finish(self) -> TrainResult:
        """Score the best epoch's weights on the test split and complete the card."""
        path = self._run_dir / MODEL_FILE
        network = load_checkpoint(path).model
        assert isinstance(network, DfaSegmenter)
        network.to(self._placement.device)
        val, test = (
            score_split(network, split, self._num_classes, self._placement, self._spec.batch_size)
            for split in (self._val, load_split(self._data.test))
        )
        best_epoch = self._state.progress.best_epoch
        self._write_model(network, {"val": val, "test": test}, best_epoch)
        logger.info("best epoch %d: macro Dice %.4f on test", best_epoch, test.macro_dice)
        return TrainResult(path, best_epoch, val, test)

    def _score_validation(self) -> Scores:
        return score_split(
            self._state.average,
            self._val,
            self._num_classes,
            self._placement,
            self._spec.batch_size,
        )

    def _write_model(self, network: DfaSegmenter, scores: dict[str, Scores], epoch: int) -> None:
        card = write_card(
            network, self._spec, self._data.info, self._frequencies, self._patch_px, scores, epoch
        )
        save_checkpoint(self._run_dir / MODEL_FILE, network, card)


def _delta(network: DfaSegmenter) -> list[nn.Parameter]:
    return list(network.class_bias.delta_parameters())
