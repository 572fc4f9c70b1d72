"""Two processes with half a batch each learn what one learns from all of it."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor

from dfaseg.training.losses import LossName, SegmentationLoss, WorldSum
from tests.losses import ALL_LOSSES, labelled_example, small_loss

WITH_ALL_TERMS = (0.5, 0.3, 0.2)
Result = tuple[Tensor, Tensor, Tensor]


class _World:
    """Processes played by threads that meet at each sum."""

    def __init__(self, size: int) -> None:
        self._slots: list[Tensor] = [torch.empty(0)] * size
        self._barrier = threading.Barrier(size, timeout=20)

    def sum_for(self, rank: int) -> WorldSum:
        """Return the sum as one process calls it; its backward pass sums the gradients."""

        class Sum(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, tensor: Tensor) -> Tensor:
                del ctx
                return self._meet(rank, tensor)

            @staticmethod
            def backward(ctx: Any, gradient: Tensor) -> Tensor:
                del ctx
                return self._meet(rank, gradient)

        return Sum.apply  # type: ignore[no-any-return]  # torch leaves it untyped

    def _meet(self, rank: int, tensor: Tensor) -> Tensor:
        self._slots[rank] = tensor.detach().clone()
        self._barrier.wait()
        total = torch.stack(self._slots).sum(dim=0)
        self._barrier.wait()
        return total


def _score(loss: SegmentationLoss, logits: Tensor, labels: Tensor, iou: Tensor) -> Result:
    logits, iou = logits.clone().requires_grad_(), iou.clone().requires_grad_()
    total = loss(logits, iou, labels).total
    total.backward()
    assert logits.grad is not None
    assert iou.grad is not None
    return total.detach(), logits.grad, iou.grad


def _share(make: Callable[[WorldSum], SegmentationLoss], *batch: Tensor) -> list[Result]:
    """Score one image in the first process and the others in the second."""
    world = _World(2)
    losses = [make(world.sum_for(rank)) for rank in range(2)]
    parts = [[tensor[:1] for tensor in batch], [tensor[1:] for tensor in batch]]
    with ThreadPoolExecutor(2) as pool:
        futures = [
            pool.submit(_score, loss, *part) for loss, part in zip(losses, parts, strict=True)
        ]
        return [future.result() for future in futures]


@pytest.mark.parametrize("name", ALL_LOSSES)
def test_two_processes_learn_what_one_learns(name: LossName) -> None:
    """Loss and averaged gradient do not depend on how a batch is spread, evenly or not."""
    torch.set_num_threads(1)
    logits, labels = labelled_example(num_images=3)
    labels[0, :6] = 255  # the first process has few labelled pixels
    iou = torch.linspace(0, 1, 9).view(3, 3)

    def make(world_sum: WorldSum | None = None) -> SegmentationLoss:
        return small_loss(name, world_sum, weights=WITH_ALL_TERMS)

    total, logits_gradient, iou_gradient = _score(make(), logits, labels, iou)
    shared = _share(make, logits, labels, iou)

    assert shared[0][0] == shared[1][0]
    torch.testing.assert_close(shared[0][0], total)
    # Averaging over the processes divides by their number.
    torch.testing.assert_close(torch.cat([r[1] for r in shared]) / 2, logits_gradient)
    torch.testing.assert_close(torch.cat([r[2] for r in shared]) / 2, iou_gradient)


def test_seesaw_counts_the_pixels_of_all_processes() -> None:
    """Every process holds the same counts, so that any of them can save them."""
    logits, labels = labelled_example(num_images=3)
    made: list[SegmentationLoss] = []

    def make(world_sum: WorldSum) -> SegmentationLoss:
        made.append(small_loss("seesaw", world_sum, weights=WITH_ALL_TERMS))
        return made[-1]

    _share(make, logits, labels, torch.zeros(3, 3))

    states = [next(iter(loss.state_dict().values())) for loss in made]
    expected = torch.bincount(labels[labels != 255].long(), minlength=3)
    assert torch.equal(states[0], expected)
    assert torch.equal(states[1], expected)
