"""How the weights move: parameter groups, learning rates, clipping, averaged weights."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim import AdamW

from dfaseg.training.spec import BiasSpec, OptimiserSpec, TrainSpec

NETWORK_CLIP = 1.0
"""Largest norm of the network's gradient; guards the first steps from scratch."""

_STEP_DECAY = ((0.70, 0.1), (0.83, 0.01))
"""Progress from which on the learning rate is multiplied (the paper's recipe)."""


def build_optimiser(network: nn.Module, delta: Iterable[nn.Parameter], spec: TrainSpec) -> AdamW:
    """Build AdamW with three groups: matrices, vectors (no decay) and delta.

    Delta moves by its own rules: ``bias.lr_factor`` times the learning rate, kept constant,
    and no weight decay, which would pull it to zero whatever the data say.

    Args:
        network: The network, delta included.
        delta: The learned class biases among its parameters; may be empty.
        spec: Rates and decay.
    """
    settings, deltas = spec.optimiser, list(delta)
    chosen = {id(parameter) for parameter in deltas}
    rest = [p for p in network.parameters() if p.requires_grad and id(p) not in chosen]
    groups = [
        {"params": [p for p in rest if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0},
        {"params": deltas, "weight_decay": 0.0, "lr": settings.lr * spec.bias.lr_factor},
    ]
    return AdamW(groups, lr=settings.lr, fused=True)


def set_learning_rate(optimiser: AdamW, factor: float, spec: OptimiserSpec) -> None:
    """Set the network's learning rate to ``factor`` of the highest; delta's stays as it is."""
    network_groups = optimiser.param_groups[:-1]
    for group in network_groups:
        group["lr"] = spec.lr * factor


def learning_rate_factor(step: int, steps_per_epoch: int, spec: TrainSpec) -> float:
    """Return the share of the highest learning rate at a step of the whole run, 0 to 1.

    Args:
        step: Number of the step, from 0.
        steps_per_epoch: Steps in one epoch.
        spec: Schedule, warm-up and number of epochs.
    """
    settings = spec.optimiser
    warmup = settings.warmup_epochs * steps_per_epoch
    if step < warmup:
        return (step + 1) / (warmup + 1)
    progress = (step - warmup) / max(spec.epochs * steps_per_epoch - warmup, 1)
    if settings.schedule == "hold":
        steps_left = spec.epochs * steps_per_epoch - step
        return min(1.0, steps_left / (settings.decay_epochs * steps_per_epoch))
    if settings.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    factors = [factor for start, factor in _STEP_DECAY if progress >= start]
    return factors[-1] if factors else 1.0


def clip_gradients(optimiser: AdamW, spec: BiasSpec) -> None:
    """Bound the gradients of the network and of delta, each by its own norm."""
    *network_groups, delta_group = optimiser.param_groups
    network = [parameter for group in network_groups for parameter in group["params"]]
    nn.utils.clip_grad_norm_(network, NETWORK_CLIP)
    nn.utils.clip_grad_norm_(delta_group["params"], spec.clip)


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Move the averaged weights towards the network's, buffers of batch norm included.

    Args:
        average: Copy of the network that holds the average; changed in place.
        network: The network being trained.
        decay: Share of the average kept per step; less in the first steps, so that the random
            initial weights are soon forgotten.
        step: Number of the step, from 0.
    """
    kept = min(decay, (1 + step) / (10 + step))
    averages, values = _split_by_kind(average.state_dict(), network.state_dict())
    torch._foreach_lerp_(averages, values, 1 - kept)


def _split_by_kind(
    average: dict[str, Tensor], current: dict[str, Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    """Return the pairs of floating tensors; copy the others, which are counters."""
    averages, values = [], []
    for name, tensor in current.items():  # the average may hold more: a shift of its logits
        if tensor.is_floating_point():
            averages.append(average[name])
            values.append(tensor)
        else:
            average[name].copy_(tensor)
    return averages, values
