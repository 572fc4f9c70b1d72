"""Cross-entropy of the hardest pixels only (online hard example mining)."""

import torch
from torch import Tensor

from dfaseg.training.losses.labelled import LabelledLogits
from dfaseg.training.losses.term import BatchTotal, MeanTerm

_NUM_BINS = 1 << 15
"""Every float32 of at least 0 has its bin: eight bits of exponent and seven of mantissa."""


class HardPixelCrossEntropy(MeanTerm):
    """Mean cross-entropy of the batch's hardest pixels (Shrivastava et al. 2016, arXiv:1604.03540).

    Hard means: a high loss now. The pixels are ranked by a histogram of their losses rather than
    by sorting, because histograms of several processes add up: the share is one of the whole
    batch however it is spread. Pixels of the bin at the border count in part, all alike.

    Args:
        share: Share of the labelled pixels that count.
        min_pixels: At least so many count, if the batch has them.
    """

    def __init__(self, share: float, min_pixels: int) -> None:
        super().__init__()
        self._share, self._min_pixels = share, min_pixels

    def prepare(self, total: BatchTotal) -> Tensor:
        """Return the weight of the pixels of each bin, 0 to 1, ``(bins,)``."""
        # Whole numbers are summed exactly, in any order, on any device.
        counts = total(_histogram).long()
        num_pixels = counts.sum()
        wanted = (self._share * num_pixels).clamp(min=self._min_pixels).minimum(num_pixels)
        harder = num_pixels - counts.cumsum(0)
        return ((wanted - harder) / counts.clamp(min=1)).clamp(0, 1)

    def sums(self, batch: LabelledLogits, context: Tensor | None) -> Tensor:
        """Return the loss over the hardest pixels and their number."""
        assert context is not None
        loss = -batch.log_likelihood
        weights = context[_bins(loss)] * batch.valid
        return torch.stack([(loss * weights).sum(), weights.sum()])


def _histogram(batch: LabelledLogits) -> Tensor:
    """Return how many labelled pixels have a loss in each bin, ``(bins,)``."""
    rest = _NUM_BINS  # a bin for the ignored pixels
    bins = torch.where(batch.is_valid, _bins(-batch.log_likelihood), rest)
    return torch.bincount(bins.flatten(), minlength=_NUM_BINS + 1)[:_NUM_BINS].float()


def _bins(loss: Tensor) -> Tensor:
    """Return the bin of each loss: the bits of a positive float rank like the float itself."""
    bits = loss.detach().contiguous().view(torch.int32)
    return bits.clamp(min=0).long() >> 16  # minus zero is zero
