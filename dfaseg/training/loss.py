"""Loss terms, one function each; ignored pixels have no part in any of them.

All take logits ``(n, k, h, w)`` at the label's resolution and labels ``(n, h, w)`` of class
indices with 255 = ignore. The weights of the terms follow Kumari & Cheung 2026,
arXiv:2604.13479: 0.25 focal + 0.75 soft Dice + 0.0625 squared error of the predicted IoU.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.training.spec import LossName

_DICE_SMOOTHING = 1.0
"""Pixels added to both sides of the Dice ratio; keeps it defined and its gradient bounded."""


@dataclass(frozen=True, slots=True)
class Truth:
    """Labels prepared once for all terms.

    Attributes:
        one_hot: 1 where a labelled pixel has the class, ``(n, k, h, w)``.
        valid: 1 where a pixel is labelled, ``(n, 1, h, w)``.
        index: Class indices, ignored pixels set to 0, int64 ``(n, 1, h, w)``.
    """

    one_hot: Tensor
    valid: Tensor
    index: Tensor


def prepare_truth(labels: Tensor, num_classes: int) -> Truth:
    """Turn labels ``(n, h, w)`` with 255 = ignore into the tensors the loss terms share."""
    is_valid = (labels != IGNORE_INDEX).unsqueeze(1)
    index = torch.where(is_valid, labels.unsqueeze(1).long(), 0)
    valid = is_valid.float()
    shape = (len(labels), num_classes, *labels.shape[1:])
    one_hot = torch.zeros(shape, device=labels.device).scatter_(1, index, valid)
    return Truth(one_hot, valid, index)


def sigmoid_focal(logits: Tensor, truth: Truth, gamma: float = 2.0) -> Tensor:
    """Return the mean focal loss of one binary decision per class (Lin et al. 2017, eq. 4)."""
    # Logit of the wrong answer: x where the truth is 0, -x where it is 1.
    wrong = logits * (1 - 2 * truth.one_hot)  # (n, k, h, w)
    loss = torch.sigmoid(wrong).pow(gamma) * functional.softplus(wrong)
    # Weighted by zero, an ignored pixel has exactly zero gradient too.
    total = (loss * truth.valid).sum()
    return total / (truth.valid.sum() * logits.shape[1]).clamp(min=1)


def cross_entropy(logits: Tensor, truth: Truth) -> Tensor:
    """Return the mean cross-entropy of the softmax over the labelled pixels."""
    log_likelihood = functional.log_softmax(logits, dim=1).gather(1, truth.index)  # (n, 1, h, w)
    return -(log_likelihood * truth.valid).sum() / truth.valid.sum().clamp(min=1)


def soft_dice(logits: Tensor, truth: Truth) -> Tensor:
    """Return 1 - Dice of the softmax, per class over the batch, averaged over present classes.

    A class without a labelled pixel in the batch has no Dice and is left out; pixels wrongly
    given to it still count, for they are missing from the class they belong to.
    """
    probabilities = logits.softmax(dim=1) * truth.valid  # (n, k, h, w)
    in_truth = truth.one_hot.sum(dim=(0, 2, 3))  # (k,)
    in_both = (probabilities * truth.one_hot).sum(dim=(0, 2, 3))
    in_either = probabilities.sum(dim=(0, 2, 3)) + in_truth
    dice = (2 * in_both + _DICE_SMOOTHING) / (in_either + _DICE_SMOOTHING)
    present = (in_truth > 0).float()
    return ((1 - dice) * present).sum() / present.sum().clamp(min=1)


def iou_error(logits: Tensor, predicted_iou: Tensor, truth: Truth) -> Tensor:
    """Return the mean squared error of the predicted IoU of each class's mask.

    Args:
        logits: ``(n, k, h, w)``; only their largest class counts.
        predicted_iou: The network's own estimate, ``(n, k)``.
        truth: Prepared labels.

    Returns:
        Mean over images and the classes that occur in truth or mask; no gradient to ``logits``.
    """
    winner = logits.detach().argmax(dim=1, keepdim=True)
    mask = torch.zeros_like(truth.one_hot).scatter_(1, winner, truth.valid)
    in_both = (mask * truth.one_hot).sum(dim=(2, 3))  # (n, k)
    in_either = torch.maximum(mask, truth.one_hot).sum(dim=(2, 3))
    occurs = (in_either > 0).float()
    squared = (predicted_iou - in_both / in_either.clamp(min=1)) ** 2
    return (squared * occurs).sum() / occurs.sum().clamp(min=1)


def segmentation_loss(
    logits: Tensor,
    predicted_iou: Tensor | None,
    labels: Tensor,
    *,
    name: LossName = "focal_dice",
    weights: tuple[float, float, float] = (0.25, 0.75, 0.0625),
    gamma: float = 2.0,
) -> Tensor:
    """Return the weighted sum of the terms at the label's resolution.

    Args:
        logits: At the network's stride, ``(n, k, h', w')``; upsampled bilinearly to the label.
        predicted_iou: ``(n, k)``, or None when the network predicts none.
        labels: Class indices, ``(n, h, w)``, 255 = ignore.
        name: The pixel-wise term: focal loss or cross-entropy, each with Dice.
        weights: Of the pixel-wise term, the Dice term and the IoU term.
        gamma: Exponent of the focal loss.

    Returns:
        Scalar.
    """
    logits = upsample(logits.float(), labels.shape[-2], labels.shape[-1])
    truth = prepare_truth(labels, logits.shape[1])
    if name == "focal_dice":
        pixel_term = sigmoid_focal(logits, truth, gamma)
    else:
        pixel_term = cross_entropy(logits, truth)
    loss = weights[0] * pixel_term + weights[1] * soft_dice(logits, truth)
    if predicted_iou is not None and weights[2] > 0:
        loss = loss + weights[2] * iou_error(logits, predicted_iou.float(), truth)
    return loss


def upsample(logits: Tensor, height: int, width: int) -> Tensor:
    """Return the logits at a label's resolution, bilinearly, ``(n, k, height, width)``."""
    if logits.shape[-2:] == (height, width):
        return logits
    return functional.interpolate(logits, (height, width), mode="bilinear", align_corners=False)
