"""What the losses take from the pixel counts of the training split."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from dfaseg.errors import ConfigError
from dfaseg.training.losses.spec import LossSpec


def log_frequencies(pixel_counts: Sequence[int]) -> Tensor:
    """Return log f, float32 ``(k,)``, with f a class's share of the labelled pixels.

    A class that never occurs has no logarithm and gets the mean of the others, which is neutral.

    Raises:
        ConfigError: No pixel is labelled or a count is negative.
    """
    counts = _checked_counts(pixel_counts)
    is_present = counts > 0
    logs = (counts / counts.sum()).clamp(min=torch.finfo(counts.dtype).tiny).log()
    return torch.where(is_present, logs, logs[is_present].mean()).float()


def logit_shift(spec: LossSpec, *, pixel_counts: Sequence[int]) -> Tensor | None:
    """Return what a network trained with the loss must add to its logits when it predicts.

    Post-hoc logit adjustment (Menon et al. 2021, arXiv:2007.07314, eq. 9) trains with plain
    cross-entropy and predicts the class of the highest ``logit - tau * log f``.

    Args:
        spec: The loss.
        pixel_counts: Labelled pixels of each class in the training split, ``(k,)``.

    Returns:
        ``-tau * log f``, ``(k,)``; None for every other loss.

    Raises:
        ConfigError: No pixel is labelled or a count is negative.
    """
    if spec.name != "logit_adjusted_posthoc":
        return None
    return -spec.tau * log_frequencies(pixel_counts)


def effective_number_weights(pixel_counts: Sequence[int], num_patches: int, beta: float) -> Tensor:
    """Return the class weights of Cui et al. 2019 (arXiv:1901.05555, eq. 2 and 8).

    The weight of a class is ``(1 - beta) / (1 - beta ** n)``, scaled so that the weights of the
    classes that occur sum to their number. The paper's n counts images. Pixels come in millions,
    for which ``beta ** n`` is 0 and all weights are equal; but pixels of one image are the near
    duplicates the paper speaks of, and images are independent. So n is the mean number of the
    class's pixels in a training patch.

    Args:
        pixel_counts: Labelled pixels of each class in the training split, ``(k,)``.
        num_patches: Training patches of the split.
        beta: In [0, 1); 0 weighs all classes alike, towards 1 by their inverse frequency.

    Returns:
        Weights, float32 ``(k,)``; 0 for a class that never occurs.

    Raises:
        ConfigError: No pixel is labelled, a count is negative, or there is no patch.
    """
    counts = _checked_counts(pixel_counts)
    if num_patches < 1:
        raise ConfigError(f"class-balanced loss: {num_patches} patches; it needs at least 1")
    is_present = counts > 0
    log_beta = math.log(beta) if beta > 0 else -math.inf
    # expm1 keeps the digits of 1 - beta ** n where n is small.
    effective = -torch.expm1(torch.where(is_present, counts, 1) / num_patches * log_beta)
    weights = torch.where(is_present, 1 / effective, 0)
    return (weights * is_present.sum() / weights.sum()).float()


def is_rare(pixel_counts: Sequence[int]) -> Tensor:
    """Return which classes have fewer pixels than an equal share, bool ``(k,)``."""
    counts = _checked_counts(pixel_counts)
    return counts * len(counts) < counts.sum()


def _checked_counts(pixel_counts: Sequence[int]) -> Tensor:
    counts = torch.tensor([float(count) for count in pixel_counts], dtype=torch.float64)
    if not (counts >= 0).all() or not 0 < counts.sum() < math.inf:
        raise ConfigError(
            f"pixel counts {list(pixel_counts)}: must be 0 or more, and not all 0; count the"
            " labelled pixels of the training split"
        )
    return counts
