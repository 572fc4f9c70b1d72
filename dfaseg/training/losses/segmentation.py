"""The loss of a batch: terms, weights, and the sums that processes share."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dfaseg.training.losses.labelled import LabelledLogits
from dfaseg.training.losses.portions import sum_in_portions
from dfaseg.training.losses.region import IouError, SoftDice
from dfaseg.training.losses.spec import TermWeights
from dfaseg.training.losses.term import LossTerm, PixelSums

WorldSum = Callable[[Tensor], Tensor]
"""Adds a tensor up over all processes.

Its backward pass must add up the gradients of all processes too. Every process then has the loss
of the whole batch, and the mean of the processes' gradients is the gradient of that loss. All
processes call it equally often: once per batch, and once more for seesaw and hard pixels.
"""


@dataclass(frozen=True, slots=True)
class LossValue:
    """The loss of a batch.

    Attributes:
        total: Weighted sum of the terms, scalar; what to learn from.
        terms: Each term before its weight, scalar, without gradient: ``pixel``, ``dice``, ``iou``.
    """

    total: Tensor
    terms: dict[str, Tensor]


class SegmentationLoss(nn.Module):
    """Weighted sum of a pixel term, Dice and the error of the predicted IoU.

    Ignored pixels have no part in it: their gradient is exactly zero and no mean counts them. A
    batch of nothing else costs 0. Whatever the precision of the logits, it computes in float32.

    Some losses learn from what they have seen (seesaw): ``state_dict()`` is part of a run's state,
    and is empty for all others. In evaluation mode nothing is learned.

    Args:
        pixel: The pixel term.
        num_classes: Number of classes k.
        weights: Of the pixel term, the Dice term and the IoU term; a term of weight 0 is not
            computed.
        world_sum: Adds a tensor up over all processes that share a batch.
    """

    def __init__(
        self, pixel: LossTerm, num_classes: int, weights: TermWeights, world_sum: WorldSum
    ) -> None:
        super().__init__()
        terms = {"pixel": pixel, "dice": SoftDice(num_classes), "iou": IouError()}
        self._weights = dict(zip(terms, weights, strict=True))
        self._terms = nn.ModuleDict({name: terms[name] for name in terms if self._weights[name]})
        self._world_sum = world_sum

    def forward(self, logits: Tensor, predicted_iou: Tensor | None, labels: Tensor) -> LossValue:
        """Return the loss at the label's resolution.

        Args:
            logits: At the network's stride, ``(n, k, h', w')``; upsampled bilinearly to the label.
            predicted_iou: ``(n, k)``, or None when the network predicts none, which leaves the
                IoU term out.
            labels: Class indices, ``(n, h, w)``, 255 = ignore.
        """
        terms = self._active_terms(with_iou=predicted_iou is not None)
        logits = logits.float().contiguous()
        iou = predicted_iou.float() if predicted_iou is not None and "iou" in terms else None
        contexts = self._prepare(terms, logits, labels)

        def sums_of(logits: Tensor, labels: Tensor, iou: Tensor | None) -> Tensor:
            batch = LabelledLogits(logits, labels, iou)
            return torch.cat([term.sums(batch, contexts[name]) for name, term in terms.items()])

        # All sums cross the processes at once: one exchange per step.
        sums = self._world_sum(sum_in_portions(sums_of, logits, labels, iou))
        parts = torch.split(sums, [term.num_sums for term in terms.values()])
        values = {
            name: term.value(part) for (name, term), part in zip(terms.items(), parts, strict=True)
        }
        weighted = [self._weights[name] * value for name, value in values.items()]
        return LossValue(
            total=torch.stack(weighted).sum(),
            terms={name: value.detach() for name, value in values.items()},
        )

    def _active_terms(self, *, with_iou: bool) -> dict[str, LossTerm]:
        terms = {}
        for name, term in self._terms.items():
            assert isinstance(term, LossTerm)
            if name != "iou" or with_iou:
                terms[name] = term
        return terms

    @torch.no_grad()
    def _prepare(
        self, terms: dict[str, LossTerm], logits: Tensor, labels: Tensor
    ) -> dict[str, Tensor | None]:
        def total(sums_of: PixelSums) -> Tensor:
            def portion(logits: Tensor, labels: Tensor, _: Tensor | None) -> Tensor:
                return sums_of(LabelledLogits(logits, labels))

            return self._world_sum(sum_in_portions(portion, logits, labels, None))

        return {name: term.prepare(total) for name, term in terms.items()}
