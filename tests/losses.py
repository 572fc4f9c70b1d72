"""Small batches of logits and labels, and losses for them."""

from typing import Any, get_args

import torch
from torch import Tensor

from dfaseg.training.losses import (
    LossName,
    LossSpec,
    LossValue,
    SegmentationLoss,
    WorldSum,
    build_loss,
)

ALL_LOSSES: tuple[LossName, ...] = get_args(LossName)

PIXEL_COUNTS = (700, 250, 50)
"""Of a made-up training split of three classes."""


def labelled_example(seed: int = 0, num_images: int = 2) -> tuple[Tensor, Tensor]:
    """Return logits ``(n, 3, 8, 8)`` and labels ``(n, 8, 8)``, whose first rows are ignored."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(num_images, 3, 8, 8, generator=generator)
    labels = torch.randint(0, 3, (num_images, 8, 8), generator=generator).to(torch.uint8)
    labels[:, :3] = 255
    return logits, labels


def small_loss(
    name: LossName, world_sum: WorldSum | None = None, **numbers: Any
) -> SegmentationLoss:
    """Build a loss for three classes, whose smallest number of hard pixels is 1."""
    spec = LossSpec(name, **{"ohem_min_pixels": 1, **numbers})
    return build_loss(spec, pixel_counts=PIXEL_COUNTS, num_patches=4, world_sum=world_sum)


def value_and_gradient(
    loss: SegmentationLoss, logits: Tensor, labels: Tensor, iou: Tensor | None = None
) -> tuple[LossValue, Tensor]:
    """Return the loss and the gradient of its total to the logits."""
    logits = logits.detach().clone().requires_grad_()
    value = loss(logits, iou, labels)
    value.total.backward()
    assert logits.grad is not None
    return value, logits.grad
