"""A training run: epochs of steps, validation, files, and going on after a stop."""

import logging
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from dfaseg.datasets.dataset import Dataset, Example
from dfaseg.datasets.load import Split, load_split
from dfaseg.datasets.pixel_counts import pixel_counts, require_labelled
from dfaseg.errors import StoppedError, TrainingError
from dfaseg.evaluation.metrics import Scores
from dfaseg.evaluation.windows import WindowSpec, predict_masks
from dfaseg.files import write_json
from dfaseg.model.checkpoint import load_checkpoint, save_checkpoint
from dfaseg.model.resolve import resolve_model
from dfaseg.model.segmenter import DfaSegmenter
from dfaseg.training.augment import PatchComposer
from dfaseg.training.batches import EpochPlan, plan_epoch, stream_batches
from dfaseg.training.card import write_card
from dfaseg.training.config import to_toml
from dfaseg.training.data_identity import identify_data
from dfaseg.training.device import Placement
from dfaseg.training.illustrate import FinishedRun, illustrate_run
from dfaseg.training.learner import Learner, LossMeter
from dfaseg.training.observer import TrainObserver
from dfaseg.training.run_folder import RunFolder
from dfaseg.training.runlog import EpochRecord, write_log
from dfaseg.training.setup import build_state, check_patch
from dfaseg.training.spec import TrainSpec
from dfaseg.training.state import load_state, save_state, seed_epoch
from dfaseg.training.teachers import Teachers
from dfaseg.training.training_split import load_training_split
from dfaseg.training.validation import LogitsOnDevice, SplitScores, score_split

logger = logging.getLogger(__name__)

_NAMED_IMAGES = 3
"""Images of a bad batch that an error names."""
_STEPS_BETWEEN_STOPS = 16
"""Steps after which several processes ask one another whether one was told to stop."""


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
    """One training run; all that decides its result is in the spec and the data.

    Args:
        spec: Settings of the run.
        data: The data set, at the resolution to train at.
        run_dir: Folder of the run.
        placement: Device, arithmetic and processes.
        workers: Threads that compose patches; None takes what suits the device.
        run_facts: What else is recorded in the table ``[run]`` of the settings.
        draws: Whether pictures are drawn at the end.
    """

    def __init__(
        self,
        spec: TrainSpec,
        data: Dataset,
        run_dir: Path,
        placement: Placement,
        *,
        workers: int | None = None,
        run_facts: Mapping[str, Any] | None = None,
        draws: bool = True,
    ) -> None:
        self._spec, self._data, self._placement = spec, data, placement
        self._folder = RunFolder(run_dir)
        self._workers = placement.default_workers if workers is None else workers
        self._is_main = placement.world.is_main
        self._observers: Sequence[TrainObserver] = ()
        self._run_facts = run_facts or {}
        self._draws = draws
        self._patch_px = spec.patch_px or data.info.patch_px
        self._train = load_training_split(data, self._patch_px, spec.balance, workers=self._workers)
        self._val = self._load(data.val)
        # No epoch could be called the best, and the run would end without a model.
        require_labelled(pixel_counts(self._val, len(data.info.class_map)), "validation")
        if self._is_main:
            self._warn_of_absent_classes()
        self._identity = identify_data(data, self._patch_px, self._train, self._val)
        self._composer = PatchComposer(
            self._train.split,
            self._train.places,
            self._train.weights,
            spec.augment,
            side_px=self._patch_px,
            glass_index=data.info.glass_index,
        )
        self._state = build_state(
            spec, self._train.pixel_counts, self._train.num_patches(self._patch_px), placement
        )
        check_patch(spec, self._state.network, self._patch_px, placement.world.size)
        self._learner = Learner(spec, self._state, placement, self._teachers())

    @property
    def frequencies(self) -> tuple[float, ...]:
        """Share of each class among the labelled training pixels."""
        return self._train.frequencies

    def run(
        self,
        *,
        resume: bool = False,
        stop: Event | None = None,
        observers: Sequence[TrainObserver] = (),
    ) -> TrainResult:
        """Train until the last epoch and score the best weights on the test split.

        Args:
            resume: Go on from the last finished epoch in the run folder.
            stop: Set from outside to end the run at the next step; what the epoch had learned
                is given up, and resuming begins it anew.
            observers: Hear how the run goes on; in the main process only.

        Raises:
            OutputExistsError: The folder holds a run and ``resume`` is not set.
            OutputError: Another run is at work in the folder, or it cannot be written.
            CheckpointError: There is no run to resume, or its state is damaged.
            ConfigError: The run to resume was started with other settings.
            DatasetError: It was started with other data.
            TrainingError: The loss is not a number.
            StoppedError: ``stop`` was set.
        """
        self._observers = observers if self._is_main else ()
        with self._folder.held() if self._is_main else nullcontext():
            self._open(resume=resume)
            progress = self._state.progress
            for observer in self._observers:
                observer.on_start(progress.history, self._spec.epochs)
            while progress.finished < self._spec.epochs and not self._has_settled():
                self._run_epoch(progress.finished, stop or Event())
            return self._finish()

    def _open(self, *, resume: bool) -> None:
        if resume:
            load_state(self._folder.state, self._state, self._spec, self._identity)
            logger.info("resuming after epoch %d", self._state.progress.finished)
            if self._is_main:  # a run killed after it saved its state has not logged that epoch
                self._write_log()
        if self._is_main and not resume:
            self._folder.require_free()
        if self._is_main:
            self._folder.write_config(to_toml(self._spec, self._run_facts))
        self._placement.world.wait()

    def _warn_of_absent_classes(self) -> None:
        counts = zip(self._data.info.class_map.names, self._train.pixel_counts, strict=True)
        absent = [f"'{name}'" for name, count in counts if not count]
        if not absent:
            return
        # Masks that other programs write in black and white hold one class and what is ignored.
        is_hint = len(absent) == len(self._data.info.class_map) - 1
        hint = (
            "; 255 means not labelled: where it is a class, say so in classes.toml with its codes ="
            " [255] and ignore = []"
        )
        names, more = ", ".join(absent), hint if is_hint else ""
        logger.warning("training split: no pixel of %s, so not learned%s", names, more)

    def _teachers(self) -> Teachers | None:
        teaching = self._spec.teaching
        paths = [resolve_model(name) for name in teaching.teachers]
        if not paths:
            return None
        return Teachers(paths, self._data.info, self._placement, teaching.sha256)

    def _has_settled(self) -> bool:
        """Tell whether the last ``patience`` epochs brought nothing better."""
        progress, patience = self._state.progress, self._spec.patience
        settled = 0 < patience <= progress.finished - progress.best_epoch
        if settled:
            logger.info("no better epoch in the last %d: ending the run", patience)
        return settled

    def _run_epoch(self, epoch: int, stop: Event) -> None:
        spec, started = self._spec, time.monotonic()
        seed_epoch(spec.seed, epoch)
        plan = plan_epoch(self._train.weights, spec.batch_size, spec.seed, epoch)
        meter = self._learn(plan, stop)
        trained = time.monotonic()
        scores = self._score(self._state.average, self._val)
        loss, terms = meter.means()
        class_bias = self._state.network.class_bias
        record = EpochRecord(
            epoch=epoch + 1,
            loss=loss,
            lr=float(self._state.optimiser.param_groups[0]["lr"]),
            seconds=time.monotonic() - started,
            macro_dice=scores.pooled.macro_dice,
            pixel_accuracy=scores.pooled.pixel_accuracy,
            dice=scores.pooled.dice.tolist(),
            iou=scores.pooled.iou.tolist(),
            delta=[float(v) for p in self._state.delta for v in p.detach().flatten()],
            bias=[float(value) for value in class_bias.centred().flatten()],
            terms=terms,
            train_seconds=trained - started,
            patches_per_second=plan.indices.size / (trained - started),
        )
        self._keep(record, scores)

    def _learn(self, plan: EpochPlan, stop: Event) -> LossMeter:
        """Take all steps of one epoch."""
        meter = LossMeter(self._placement.device)
        self._state.network.train()
        batches = stream_batches(self._composer, plan, self._workers, self._placement.world)
        for step, batch in enumerate(batches):
            value = self._learner.learn(batch, plan.epoch * len(plan) + step, len(plan))
            self._refuse_bad_loss(meter.add(value), plan)
            self._stop_if_asked(step, stop)
            for observer in self._observers:
                observer.on_step(step + 1, len(plan), meter.last)
        self._refuse_bad_loss(meter.look(), plan)
        return meter

    def _refuse_bad_loss(self, step: int | None, plan: EpochPlan) -> None:
        if step is None:
            return
        names = {self._train.image_name(place) for place in plan.indices[step].tolist()}
        some = ", ".join(sorted(names)[:_NAMED_IMAGES]) + (" ..." if len(names) > 3 else "")
        raise TrainingError(
            f"training: the loss is not a number in epoch {plan.epoch + 1}, step {step + 1} (images"
            f" {some}); lower --lr or use --precision fp32 (the last finished epoch is kept)"
        )

    def _stop_if_asked(self, step: int, stop: Event) -> None:
        world = self._placement.world
        is_asked = stop.is_set()
        if world.size > 1:  # all processes must leave at the same step, or some wait for ever
            is_asked = step % _STEPS_BETWEEN_STOPS == 0 and world.any(is_true=is_asked)
        if is_asked:
            finished = self._state.progress.finished
            place = f"after epoch {finished}" if finished else "in the first epoch"
            # Before the first epoch has ended there is no state to resume from.
            advice = "run again with --resume" if finished else "run the same command again"
            raise StoppedError(f"run '{self._folder.path}': stopped {place}; {advice} to go on")

    def _keep(self, record: EpochRecord, scores: SplitScores) -> None:
        """Keep what the epoch brought: log, state, and the model if it is the best so far."""
        state, progress = self._state, self._state.progress
        progress.finished = record.epoch
        progress.history.append(record)
        is_best = record.macro_dice > progress.best_dice
        if is_best:
            progress.best_dice, progress.best_epoch = record.macro_dice, record.epoch
        if self._is_main:
            if is_best:
                self._write_model(state.average, {"val": scores.pooled}, record.epoch)
            save_state(self._folder.state, state, self._spec, self._identity)
            self._write_log()
        for observer in self._observers:
            observer.on_epoch(record)

    def _write_log(self) -> None:
        history, names = self._state.progress.history, self._data.info.class_map.names
        write_log(self._folder.log, history, names)

    def _finish(self) -> TrainResult:
        """Score the best epoch's weights on the test split and complete card and pictures."""
        self._placement.world.wait()  # the best model is on disk
        path, best_epoch = self._folder.model, self._state.progress.best_epoch
        network = load_checkpoint(path).model
        assert isinstance(network, DfaSegmenter)
        network.to(self._placement.device)
        test_split = self._load(self._data.test)
        val, test = (self._score(network, split) for split in (self._val, test_split))
        if self._is_main:
            names = self._data.info.class_map.names
            self._write_model(network, {"val": val.pooled, "test": test.pooled}, best_epoch)
            write_json(
                self._folder.scores,
                {"epoch": best_epoch, "val": val.to_record(names), "test": test.to_record(names)},
            )
            if self._draws:
                illustrate_run(self._folder.plots, self._finished_run(network, test_split, test))
        if self._is_main and math.isnan(test.pooled.macro_dice):
            logger.warning("test split: no labelled pixel, so no scores on it; check the masks")
        logger.info("best epoch %d: macro Dice %.4f on test", best_epoch, test.pooled.macro_dice)
        return TrainResult(path, best_epoch, val.pooled, test.pooled)

    def _finished_run(
        self, network: DfaSegmenter, test_split: Split, test: SplitScores
    ) -> FinishedRun:
        logits_of = LogitsOnDevice(network, self._placement)
        windows = WindowSpec(self._patch_px, network.logit_stride, self._part_size)
        return FinishedRun(
            history=self._state.progress.history,
            class_map=self._data.info.class_map,
            frequencies=self._train.frequencies,
            baseline_dice=self._spec.bias.baseline_dice,
            test_split=test_split,
            test_scores=test,
            predict=lambda images: list(predict_masks(logits_of, images, windows)),
        )

    @property
    def _part_size(self) -> int:
        """Patches in one forward pass."""
        return self._spec.batch_size // self._spec.accumulate

    def _load(self, examples: Sequence[Example]) -> Split:
        return load_split(examples, workers=self._workers)

    def _score(self, network: DfaSegmenter, split: Split) -> SplitScores:
        return score_split(network, split, self._patch_px, self._placement, self._part_size)

    def _write_model(self, network: DfaSegmenter, scores: dict[str, Scores], epoch: int) -> None:
        card = write_card(
            network,
            self._spec,
            self._data.info,
            self._train.frequencies,
            self._patch_px,
            scores,
            epoch,
        )
        save_checkpoint(self._folder.model, network, card)
