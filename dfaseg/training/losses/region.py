"""Loss terms that compare whole regions: Dice of each class, and the network's estimate of IoU."""

import torch
from torch import Tensor

from dfaseg.training.losses.labelled import LabelledLogits
from dfaseg.training.losses.term import LossTerm, MeanTerm

SMOOTHING = 1.0
"""Pixels added to both sides of an overlap ratio; keeps it defined and its gradient bounded."""


class SoftDice(LossTerm):
    """1 - Dice of the softmax, per class over the batch, averaged over the classes present.

    Soft Dice of Milletari et al. 2016 (arXiv:1606.04797, section 3) with plain sums below the
    line, as in Kumari & Cheung 2026, arXiv:2604.13479. A class without a labelled pixel in the
    batch has no Dice and is left out; pixels wrongly given to it still count, for they are
    missing from the class they belong to.

    Args:
        num_classes: Number of classes k.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_sums=3 * num_classes)

    def sums(self, batch: LabelledLogits, context: Tensor | None) -> Tensor:
        """Return the overlaps of truth and softmax, ``(3 * k,)``."""
        del context
        return overlap_sums(batch)

    def value(self, sums: Tensor) -> Tensor:
        """Return the mean of 1 - Dice over the classes present; 0 if there is none."""
        in_truth, in_mask, in_both = sums.chunk(3)
        dice = (2 * in_both + SMOOTHING) / (in_truth + in_mask + SMOOTHING)
        return mean_over_present(1 - dice, in_truth)


class IouError(MeanTerm):
    """Mean squared error of the predicted IoU (Kirillov et al. 2023, arXiv:2304.02643, appendix A).

    Over images and the classes that occur in truth or mask; no gradient to the logits. A pixel
    whose highest logit is shared by several classes belongs to the mask of each.
    """

    def sums(self, batch: LabelledLogits, context: Tensor | None) -> Tensor:
        """Return the squared errors and the number of masks."""
        del context
        assert batch.predicted_iou is not None
        logits = batch.logits.detach()
        mask = (logits == logits.amax(dim=1, keepdim=True)).float() * batch.valid  # (n, k, h, w)
        in_both = (mask * batch.one_hot).sum(dim=(2, 3))  # (n, k)
        in_either = mask.sum(dim=(2, 3)) + batch.one_hot.sum(dim=(2, 3)) - in_both
        occurs = (in_either > 0).float()
        squared = (batch.predicted_iou - in_both / in_either.clamp(min=1)) ** 2
        return torch.stack([(squared * occurs).sum(), occurs.sum()])


def overlap_sums(batch: LabelledLogits) -> Tensor:
    """Return, per class, the pixels in truth, in the soft mask and in both, ``(3 * k,)``."""
    in_truth = batch.one_hot.sum(dim=(0, 2, 3))  # (k,)
    in_mask = (batch.probabilities * batch.valid).sum(dim=(0, 2, 3))
    in_both = (batch.probabilities * batch.one_hot).sum(dim=(0, 2, 3))
    return torch.cat([in_truth, in_mask, in_both])


def mean_over_present(values: Tensor, in_truth: Tensor) -> Tensor:
    """Return the mean of the values ``(k,)`` of the classes with labelled pixels, else 0."""
    is_present = (in_truth > 0).float()
    return (values * is_present).sum() / is_present.sum().clamp(min=1)
