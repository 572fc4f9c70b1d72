"""Sums over a batch taken a few images at a time, so that no tensor of the whole batch is needed.

At the label's resolution a batch of logits is large (24 patches of 1024 px and 5 classes: 0.5 GB)
and a loss makes a dozen tensors of that size. Taken in portions they stay small, on CPUs within
the cache, which more than pays for computing them a second time in the backward pass.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

SumsOf = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""Takes logits ``(n, k, h', w')``, labels ``(n, h, w)`` and predicted IoU ``(n, k)`` or None."""

_CPU_PORTION = 1 << 19
"""Logits at the label's resolution per portion: 2 MB, about a core's share of the cache."""

_DEVICE_PORTION = 1 << 26
"""The same on other devices: 256 MB, large enough to keep them busy."""


def sum_in_portions(
    sums_of: SumsOf, logits: Tensor, labels: Tensor, predicted_iou: Tensor | None
) -> Tensor:
    """Return the sum of ``sums_of`` over the images of a batch, differentiable.

    Args:
        sums_of: Called with some of the images; depends on nothing that changes.
        logits: ``(n, k, h', w')``.
        labels: ``(n, h, w)``.
        predicted_iou: ``(n, k)`` or None.
    """
    size = images_per_portion(logits, labels)
    if len(logits) <= size:
        return sums_of(logits, labels, predicted_iou)
    total: Tensor = _PortionedSum.apply(sums_of, size, labels, logits, predicted_iou)
    return total


def images_per_portion(logits: Tensor, labels: Tensor) -> int:
    """Return how many images make a portion, at least 1."""
    budget = _CPU_PORTION if logits.device.type == "cpu" else _DEVICE_PORTION
    return max(1, budget // (logits.shape[1] * labels.shape[-2] * labels.shape[-1]))


class _PortionedSum(torch.autograd.Function):
    """Sums without a graph; the backward pass makes the graph of one portion at a time."""

    @staticmethod
    def forward(
        ctx: Any,
        sums_of: SumsOf,
        size: int,
        labels: Tensor,
        logits: Tensor,
        predicted_iou: Tensor | None,
    ) -> Tensor:
        ctx.sums_of, ctx.size = sums_of, size
        ctx.save_for_backward(labels, logits, predicted_iou)
        portions = _portions(size, labels, logits, predicted_iou)
        return torch.stack([sums_of(part, truth, iou) for truth, part, iou in portions]).sum(dim=0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        gradients = [
            _portion_gradients(ctx.sums_of, *portion, gradient)
            for portion in _portions(ctx.size, *ctx.saved_tensors)
        ]
        to_logits, *to_iou = (torch.cat(parts) for parts in zip(*gradients, strict=True))
        return None, None, None, to_logits, to_iou[0] if to_iou else None


def _portions(
    size: int, labels: Tensor, logits: Tensor, predicted_iou: Tensor | None
) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
    for start in range(0, len(labels), size):
        images = slice(start, start + size)
        iou = None if predicted_iou is None else predicted_iou[images]
        yield labels[images], logits[images], iou


def _portion_gradients(
    sums_of: SumsOf, labels: Tensor, logits: Tensor, predicted_iou: Tensor | None, gradient: Tensor
) -> tuple[Tensor, ...]:
    logits = logits.detach().requires_grad_()
    inputs = [logits]
    if predicted_iou is not None:
        predicted_iou = predicted_iou.detach().requires_grad_()
        inputs.append(predicted_iou)
    with torch.enable_grad():
        sums = sums_of(logits, labels, predicted_iou)
    return torch.autograd.grad(sums, inputs, gradient)
