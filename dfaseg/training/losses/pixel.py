"""Loss terms that are a mean over the labelled pixels, each pixel on its own."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from dfaseg.training.losses.labelled import LabelledLogits, true_log_likelihood
from dfaseg.training.losses.term import MeanTerm


class SigmoidFocal(MeanTerm):
    """Focal loss of one binary decision per class (Lin et al. 2017, arXiv:1708.02002, eq. 4).

    The mean of ``-(1 - p) ** gamma * log p`` over pixels and classes, p being the sigmoid's
    probability of the right decision.

    Args:
        gamma: How much less a decision counts that is already right; 0 for not at all.
    """

    def __init__(self, gamma: float) -> None:
        super().__init__()
        self._gamma = gamma

    def sums(self, batch: LabelledLogits, context: Tensor | None) -> Tensor:
        """Return the loss over all decisions and their number."""
        del context
        total = _FocalSum.apply(batch.logits, batch.one_hot, batch.valid, self._gamma)
        return torch.stack([total, batch.valid.sum() * batch.num_classes])


class _FocalSum(torch.autograd.Function):
    """Sum of the focal loss with its slope written out: a third of the tensors autograd makes."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, one_hot: Tensor, valid: Tensor, gamma: float) -> Tensor:
        sign = 1 - 2 * one_hot  # (n, k, h, w)
        # Logit and probability of the wrong answer: x where the truth is 0, -x where it is 1.
        logit = logits * sign
        wrong = torch.sigmoid(logit)
        entropy = functional.softplus(logit)
        focus = wrong.pow(gamma)
        ctx.save_for_backward(sign, wrong, entropy, focus, valid)
        ctx.gamma = gamma
        return (focus * entropy).mul_(valid).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        sign, wrong, entropy, focus, valid = ctx.saved_tensors
        # d/dx of s(x)^g softplus(x) is s^g ( g (1 - s) softplus + s ), finite everywhere.
        slope = (1 - wrong).mul_(entropy).mul_(ctx.gamma).add_(wrong).mul_(focus)
        # Weighted by zero, an ignored pixel has exactly zero gradient.
        return slope.mul_(sign).mul_(valid * gradient), None, None, None


class CrossEntropy(MeanTerm):
    """Cross-entropy of the softmax, plain or weighted by class.

    With weights it is the class-balanced softmax loss (Cui et al. 2019, arXiv:1901.05555,
    eq. 10): as there, the mean is taken over the pixels, not over their weights.

    Args:
        class_weights: ``(k,)``; None weighs all classes alike.
    """

    def __init__(self, class_weights: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("_class_weights", class_weights, persistent=False)
        self._class_weights: Tensor | None

    def sums(self, batch: LabelledLogits, context: Tensor | None) -> Tensor:
        """Return the (weighted) loss over all pixels and their number."""
        del context
        weights = batch.valid
        if self._class_weights is not None:
            weights = weights * self._class_weights[batch.index]
        return torch.stack([-(batch.log_likelihood * weights).sum(), batch.valid.sum()])


class AdjustedCrossEntropy(MeanTerm):
    """Cross-entropy of the softmax of ``logits + offset``, with one offset per class.

    The offset ``tau * log f`` makes it the logit-adjusted loss (Menon et al. 2021,
    arXiv:2007.07314, eq. 10): the network must outweigh the frequencies by itself, and predicts
    without the offset. At tau 1 it is the balanced softmax (Ren et al. 2020, arXiv:2007.10740,
    eq. 3 and 4), whose pixel counts in place of frequencies shift all logits alike.

    Args:
        offset: ``(k,)``.
    """

    def __init__(self, offset: Tensor) -> None:
        super().__init__()
        self.register_buffer("_offset", offset.view(-1, 1, 1), persistent=False)
        self._offset: Tensor

    def sums(self, batch: LabelledLogits, context: Tensor | None) -> Tensor:
        """Return the loss over all pixels and their number."""
        del context
        log_likelihood = true_log_likelihood(batch.logits + self._offset, batch.index)
        return torch.stack([-(log_likelihood * batch.valid).sum(), batch.valid.sum()])
