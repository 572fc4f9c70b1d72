"""What every loss term has in common: it is a function of sums over pixels.

Sums can be added up, over the images of a batch and over the processes that share a batch, before
the loss is taken of them. So the loss of a batch is the same however the batch is cut.
"""

from collections.abc import Callable
from typing import Protocol

from torch import Tensor, nn

from dfaseg.training.losses.labelled import LabelledLogits

PixelSums = Callable[[LabelledLogits], Tensor]
"""Gives sums over the pixels of some images, any fixed shape."""


class BatchTotal(Protocol):
    """Adds sums up over the whole batch, those of other processes included; no gradient."""

    def __call__(self, sums_of: PixelSums, /) -> Tensor:
        """Return the total of ``sums_of`` over all images of the batch."""


class LossTerm(nn.Module):
    """A term of the loss, in three steps: prepare, sum, evaluate.

    ``sums`` is called for a few images at a time, and again in the backward pass; it must depend
    on nothing but its arguments and constant buffers.

    Args:
        num_sums: Length m of the sums.
    """

    def __init__(self, num_sums: int) -> None:
        super().__init__()
        self.num_sums = num_sums

    def prepare(self, total: BatchTotal) -> Tensor | None:
        """Return what must be known of the whole batch before its pixels are summed."""
        del total
        return None

    def sums(self, batch: LabelledLogits, context: Tensor | None) -> Tensor:
        """Return the sums the term is made of, float32 ``(m,)``.

        Args:
            batch: Some images.
            context: What ``prepare`` returned.
        """
        raise NotImplementedError

    def value(self, sums: Tensor) -> Tensor:
        """Return the term, scalar, from the sums of the whole batch, ``(m,)``."""
        raise NotImplementedError


class MeanTerm(LossTerm):
    """A term that is a mean: its sums are the numerator and the denominator."""

    def __init__(self) -> None:
        super().__init__(num_sums=2)

    def value(self, sums: Tensor) -> Tensor:
        """Return the mean; 0 if there was nothing to take it of."""
        return sums[0] / sums[1].clamp(min=1)
