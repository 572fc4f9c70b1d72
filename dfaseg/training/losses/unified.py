"""Unified focal loss: one family that holds focal loss, Tversky loss, cross-entropy and Dice."""

import torch
from torch import Tensor

from dfaseg.training.losses.labelled import LabelledLogits
from dfaseg.training.losses.region import SMOOTHING, mean_over_present, overlap_sums
from dfaseg.training.losses.term import LossTerm

_SMALLEST_BASE = 1e-6
"""Floor under a power below 1, whose slope at 0 is infinite."""


class UnifiedFocal(LossTerm):
    """Unified focal loss (Yeung et al. 2022, arXiv:2102.04525), for any number of classes.

    ``weight * focal + (1 - weight) * Tversky``, where for the true class c of each pixel and for
    each class c of the batch

    * focal is the mean over pixels of ``w[c] * (1 - p[c]) ** g[c] * -log p[c]``,
    * Tversky is the mean over the classes present of ``(1 - TI[c]) ** t[c]``, with
      ``TI = both / (both + delta * missed + (1 - delta) * wrongly found)``.

    Symmetric, every class is treated alike: w = delta, g = gamma, t = 1 - gamma. Asymmetric, rare
    classes are never suppressed and common ones not enhanced: rare classes have w = delta, g = 0,
    t = 1 - gamma, common ones w = 1 - delta, g = gamma, t = 1. The exponents are those of the
    authors' code; at gamma 0.5 it does not matter which of the two is gamma.

    Args:
        num_classes: Number of classes k.
        numbers: Weight of the focal part, delta and gamma.
        is_rare: Classes that the asymmetric form protects, bool ``(k,)``; None is symmetric.
    """

    def __init__(
        self,
        num_classes: int,
        numbers: tuple[float, float, float],
        is_rare: Tensor | None = None,
    ) -> None:
        super().__init__(num_sums=2 + 3 * num_classes)
        self._weight, self._delta, gamma = numbers
        if is_rare is None:
            constants = torch.tensor([[self._delta, gamma, 1 - gamma]]).expand(num_classes, 3)
        else:
            rare = torch.tensor([self._delta, 0.0, 1 - gamma])
            common = torch.tensor([1 - self._delta, gamma, 1.0])
            constants = torch.where(is_rare[:, None], rare, common)
        for name, values in zip(("_w", "_g", "_t"), constants.T, strict=True):
            self.register_buffer(name, values.clone(), persistent=False)
        self._w: Tensor
        self._g: Tensor
        self._t: Tensor

    def sums(self, batch: LabelledLogits, context: Tensor | None) -> Tensor:
        """Return the focal part's loss and pixels, and the overlaps, ``(2 + 3 * k,)``."""
        del context
        log_likelihood = batch.log_likelihood  # (n, 1, h, w)
        wrong = -torch.expm1(log_likelihood).clamp(max=-_SMALLEST_BASE)  # 1 - p
        loss = self._w[batch.index] * wrong.pow(self._g[batch.index]) * -log_likelihood
        focal = torch.stack([(loss * batch.valid).sum(), batch.valid.sum()])
        return torch.cat([focal, overlap_sums(batch)])

    def value(self, sums: Tensor) -> Tensor:
        """Return the weighted mean of both parts."""
        focal = sums[0] / sums[1].clamp(min=1)
        in_truth, in_mask, in_both = sums[2:].chunk(3)
        errors = self._delta * (in_truth - in_both) + (1 - self._delta) * (in_mask - in_both)
        distance = errors / (in_both + errors + SMOOTHING)  # 1 - TI
        enhanced = distance.clamp(min=_SMALLEST_BASE).pow(self._t)
        tversky = mean_over_present(enhanced, in_truth)
        return self._weight * focal + (1 - self._weight) * tversky
