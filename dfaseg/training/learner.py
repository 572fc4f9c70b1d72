"""One optimiser step, from a batch to moved weights."""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from dfaseg.errors import TrainingError
from dfaseg.training.batches import LabelledBatch
from dfaseg.training.device import Placement
from dfaseg.training.losses.segmentation import LossValue
from dfaseg.training.optimiser import (
    clip_gradients,
    learning_rate_factor,
    set_learning_rate,
    update_average,
)
from dfaseg.training.spec import TrainSpec
from dfaseg.training.state import TrainState
from dfaseg.training.teachers import Teachers

_GPU_STEPS_BETWEEN_LOOKS = 16
"""Steps after which losses are fetched from a GPU; at every step, it would wait for Python."""


class Learner:
    """Teaches the network of a state, batch by batch.

    Args:
        spec: Settings of the run.
        state: Network, average, optimiser and loss; changed in place.
        placement: Where and in which arithmetic to run.
        teachers: Networks to learn from besides the labels.
    """

    def __init__(
        self,
        spec: TrainSpec,
        state: TrainState,
        placement: Placement,
        teachers: Teachers | None = None,
    ) -> None:
        self._spec, self._state, self._placement = spec, state, placement
        self._teachers = teachers
        self._scaling = placement.scaling(state.network.normalisation)
        self._forward = _prepare_forward(spec, state.network, placement)

    def learn(self, batch: LabelledBatch, step: int, steps_per_epoch: int) -> LossValue:
        """Move the weights by one batch.

        Args:
            batch: This process's share of the patches and labels.
            step: Number of the step in the whole run, from 0.
            steps_per_epoch: Steps in one epoch.

        Returns:
            The batch's loss and its terms, without gradient, on the device.
        """
        spec, state = self._spec, self._state
        state.optimiser.zero_grad(set_to_none=True)
        images = np.array_split(batch.images, spec.accumulate)
        labels = np.array_split(batch.labels, spec.accumulate)
        values = [
            self._backward(part, truth, is_last=number == spec.accumulate)
            for number, (part, truth) in enumerate(zip(images, labels, strict=True), 1)
        ]
        state.scaler.unscale_(state.optimiser)
        clip_gradients(state.optimiser, spec.bias)
        factor = learning_rate_factor(step, steps_per_epoch, spec)
        set_learning_rate(state.optimiser, factor, spec.optimiser)
        state.scaler.step(state.optimiser)
        state.scaler.update()
        if state.average is not state.network:
            update_average(state.average, state.network, spec.optimiser.ema_decay, step)
        return _mean(values)

    def _backward(
        self, images: np.ndarray[Any, Any], labels: np.ndarray[Any, Any], *, is_last: bool
    ) -> LossValue:
        """Add the gradient of one part of the batch."""
        spec, state = self._spec, self._state
        patches = self._placement.to_device(images)  # (n, h, w, 3)
        pixels = self._scaling(patches)  # (n, 3, h, w)
        truth = self._placement.to_device(labels)  # (n, h, w)
        with _gradients_shared(self._forward, is_last=is_last), _compiling_explained(spec.compile):
            with self._placement.autocast():
                logits, iou = self._forward(pixels)  # (n, k, h/4, w/4)
            value: LossValue = state.loss(logits, iou, truth)
            if self._teachers is not None:
                divergence = self._teachers.divergence(logits, patches, truth)
                value = _joined(value, divergence, spec.teaching.share)
            total = value.total + spec.bias.l2 * _squared_norm(state.delta)
            state.scaler.scale(total / spec.accumulate).backward()  # type: ignore[no-untyped-call]
        return LossValue(total.detach(), {k: term.detach() for k, term in value.terms.items()})


class LossMeter:
    """Averages the losses of an epoch, and finds the step where one is not a number.

    Args:
        device: Where the losses lie.
    """

    def __init__(self, device: torch.device) -> None:
        self._steps_between_looks = _GPU_STEPS_BETWEEN_LOOKS if device.type == "cuda" else 1
        self._waiting: list[Tensor] = []
        self._names: tuple[str, ...] = ()
        self._sums: list[float] = []
        self._count = 0
        self.last = math.nan

    def add(self, value: LossValue) -> int | None:
        """Take in one step's loss.

        Returns:
            Number of the first step whose loss is not finite, from 0, as soon as it is known.
        """
        self._names = ("total", *value.terms)
        terms = [value.total, *value.terms.values()]
        self._waiting.append(torch.stack([term.float() for term in terms]))
        return self.look() if len(self._waiting) >= self._steps_between_looks else None

    def look(self) -> int | None:
        """Fetch the losses that have not been looked at; return as ``add`` does."""
        if not self._waiting:
            return None
        rows = torch.stack(self._waiting).double().cpu().numpy()  # (steps, terms)
        first = self._count
        self._waiting, self._count = [], first + len(rows)
        self._sums = list(rows.sum(axis=0) + (self._sums or 0.0))
        self.last = float(rows[-1, 0])
        bad = np.flatnonzero(~np.isfinite(rows[:, 0]))
        return first + int(bad[0]) if bad.size else None

    def means(self) -> tuple[float, dict[str, float]]:
        """Return the mean loss and the mean of each term."""
        total, *terms = (float(value) / max(self._count, 1) for value in self._sums)
        return total, dict(zip(self._names[1:], terms, strict=True))


def _prepare_forward(spec: TrainSpec, network: nn.Module, placement: Placement) -> nn.Module:
    forward = network
    if placement.world.size > 1:
        device_ids = [placement.device] if placement.device.type == "cuda" else None
        # With no weight on the IoU term nothing asks for the IoU head's output.
        is_partly_used = spec.loss.term_weights[2] == 0
        forward = DistributedDataParallel(
            network, device_ids=device_ids, find_unused_parameters=is_partly_used
        )
    if spec.compile:
        forward.compile()
    return forward


@contextmanager
def _compiling_explained(is_compiled: bool) -> Iterator[None]:
    """Turn a compiler that fails into one line: the network runs without it as well."""
    if not is_compiled:
        yield
        return
    # Imported here: it takes a second that other runs need not wait.
    from torch._dynamo.exc import TorchDynamoException  # noqa: PLC0415

    try:
        yield
    except TorchDynamoException as error:
        problem = str(error).strip().partition("\n")[0]
        raise TrainingError(
            f"torch.compile: cannot compile this network here ({problem}); train with --no-compile"
        ) from error


def _gradients_shared(forward: nn.Module, *, is_last: bool) -> AbstractContextManager[None]:
    """Let processes share gradients once per batch, after its last part."""
    if is_last or not isinstance(forward, DistributedDataParallel):
        return nullcontext()
    return forward.no_sync()


def _joined(value: LossValue, divergence: Tensor, share: float) -> LossValue:
    """Return what is learned from labels and teachers together."""
    return LossValue(
        total=torch.lerp(value.total, divergence, share),
        terms=value.terms | {"teachers": divergence},
    )


def _squared_norm(parameters: list[nn.Parameter]) -> Tensor | float:
    return sum((parameter.square().sum() for parameter in parameters), start=0.0)


def _mean(values: list[LossValue]) -> LossValue:
    if len(values) == 1:
        return values[0]
    terms = {
        name: torch.stack([value.terms[name] for value in values]).mean()
        for name in values[0].terms
    }
    return LossValue(torch.stack([value.total for value in values]).mean(), terms)
