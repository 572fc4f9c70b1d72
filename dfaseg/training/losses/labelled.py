"""Logits and their truth at one resolution, with what several loss terms need of them."""

from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from dfaseg.classmap import IGNORE_INDEX


class LabelledLogits:
    """Logits at the label's resolution beside the label; derived tensors are made once, if asked.

    Args:
        logits: At the network's stride, float32 ``(n, k, h', w')``.
        labels: Class indices, ``(n, h, w)``, 255 = ignore.
        predicted_iou: The network's estimate of each class's IoU, ``(n, k)``, or None.
    """

    def __init__(self, logits: Tensor, labels: Tensor, predicted_iou: Tensor | None = None) -> None:
        self._coarse_logits = logits
        self._labels = labels.unsqueeze(1)  # (n, 1, h, w)
        self.predicted_iou = predicted_iou

    @property
    def num_classes(self) -> int:
        """Number of classes k."""
        return self._coarse_logits.shape[1]

    @cached_property
    def logits(self) -> Tensor:
        """Logits at the label's resolution, bilinear, ``(n, k, h, w)``."""
        return upsample(self._coarse_logits, self._labels.shape[-2], self._labels.shape[-1])

    @cached_property
    def is_valid(self) -> Tensor:
        """Whether a pixel is labelled, bool ``(n, 1, h, w)``."""
        return self._labels != IGNORE_INDEX

    @cached_property
    def valid(self) -> Tensor:
        """1 where a pixel is labelled, else 0, float ``(n, 1, h, w)``."""
        return self.is_valid.float()

    @cached_property
    def index(self) -> Tensor:
        """Class indices, ignored pixels set to 0, int64 ``(n, 1, h, w)``."""
        return torch.where(self.is_valid, self._labels, 0).long()

    @cached_property
    def one_hot(self) -> Tensor:
        """1 where a labelled pixel has the class, else 0, float ``(n, k, h, w)``."""
        shape = (len(self.index), self.num_classes, *self.index.shape[2:])
        empty = torch.zeros(shape, device=self.index.device)
        return empty.scatter_(1, self.index, self.valid)

    @cached_property
    def log_likelihood(self) -> Tensor:
        """Logarithm of the probability of the true class, ``(n, 1, h, w)``; never above 0."""
        return true_log_likelihood(self.logits, self.index)

    @cached_property
    def probabilities(self) -> Tensor:
        """Softmax over the classes, ``(n, k, h, w)``."""
        return self.logits.softmax(dim=1)


def true_log_likelihood(logits: Tensor, index: Tensor) -> Tensor:
    """Return the logarithm of the true class's softmax probability, ``(n, 1, h, w)``."""
    return functional.log_softmax(logits, dim=1).gather(1, index)


def upsample(logits: Tensor, height: int, width: int) -> Tensor:
    """Return the logits at a label's resolution, bilinearly, ``(n, k, height, width)``."""
    if logits.shape[-2:] == (height, width):
        return logits
    return functional.interpolate(logits, (height, width), mode="bilinear", align_corners=False)
