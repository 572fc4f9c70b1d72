"""What is known about the classes before training: priors from frequencies or Dice, warm start.

All logarithms are natural. Source: Kumari & Cheung 2026, arXiv:2604.13479.
"""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from dfaseg.errors import ConfigError

PriorKind = Literal["focal", "inverse"]

_SMALLEST_REST = 1e-6
"""Floor of ``1 - f`` and ``1 - Dice``: a class that fills every pixel keeps a finite logarithm."""


def class_log_prior(kind: PriorKind, frequencies: Sequence[float], *, gamma: float) -> Tensor:
    """Return the log prior of the named kind, shape ``(k,)``.

    Args:
        kind: ``focal`` or ``inverse``.
        frequencies: Pixel frequency of each class in the training split, ignored pixels left out.
        gamma: Exponent of the focal prior; the inverse prior has none.

    Raises:
        ConfigError: The kind is unknown or a frequency is impossible.
    """
    if kind == "focal":
        return focal_log_prior(frequencies, gamma=gamma)
    if kind == "inverse":
        return inverse_log_prior(frequencies)
    raise ConfigError(f"prior '{kind}': unknown; use 'focal' or 'inverse'")


def focal_log_prior(frequencies: Sequence[float], gamma: float = 2.0) -> Tensor:
    """Return ``gamma * log(1 - f)``: strongly negative for frequent classes, near 0 for rare ones.

    Raises:
        ConfigError: A frequency is impossible.
    """
    return _focal(_checked_frequencies(frequencies), gamma)


def inverse_log_prior(frequencies: Sequence[float]) -> Tensor:
    """Return ``-log f``; an absent class (f = 0) gets the mean of the others, which is neutral.

    Raises:
        ConfigError: A frequency is impossible.
    """
    shares = _checked_frequencies(frequencies)
    present = shares > 0
    log_prior = -shares.clamp(min=torch.finfo(shares.dtype).tiny).log()
    return torch.where(present, log_prior, log_prior[present].mean()).float()


def hard_class_log_prior(baseline_dice: Sequence[float], gamma: float = 2.0) -> Tensor:
    """Return ``gamma * log(1 - Dice)`` of an earlier baseline run, shape ``(k,)``.

    A class the baseline could not score (NaN: absent from truth and prediction) gets the mean of
    the others, which is neutral.

    Raises:
        ConfigError: A Dice lies outside [0, 1] or no class has one.
    """
    dice = torch.tensor(list(baseline_dice), dtype=torch.float64)
    scored = ~dice.isnan()
    if not scored.any() or ((dice < 0) | (dice > 1)).any():
        raise ConfigError(
            f"baseline Dice {list(baseline_dice)}: each must lie in [0, 1]; "
            "take the per-class Dice of a finished run"
        )
    log_prior = _focal(dice.nan_to_num(0.0), gamma)
    return torch.where(scored, log_prior, log_prior[scored].mean())


def warm_start(log_prior: Tensor, frequencies: Sequence[float], alpha: float) -> Tensor:
    """Return delta0 ``= alpha * (log_prior - mean over the present classes)``, shape ``(k,)``.

    Starting away from zero lets delta receive gradient early: a class with a tiny attention
    weight would otherwise learn its bias very slowly. An absent class (f = 0) gets 0.

    Raises:
        ConfigError: A frequency is impossible or the lengths differ.
    """
    present = _checked_frequencies(frequencies) > 0
    if log_prior.shape != present.shape:
        raise ConfigError(f"{len(log_prior)} priors for {len(present)} classes: must be as many")
    deviation = log_prior - log_prior[present].mean()
    return alpha * torch.where(present, deviation, torch.zeros_like(deviation))


def _focal(shares: Tensor, gamma: float) -> Tensor:
    return (gamma * (1 - shares).clamp(min=_SMALLEST_REST).log()).float()


def _checked_frequencies(frequencies: Sequence[float]) -> Tensor:
    shares = torch.tensor(list(frequencies), dtype=torch.float64)
    total = float(shares.sum())
    is_possible = bool(((shares >= 0) & (shares <= 1)).all())  # False for NaN too
    # Rounded tables are welcome; counts or percentages are not.
    if not is_possible or not math.isclose(total, 1.0, abs_tol=0.02):
        raise ConfigError(
            f"pixel frequencies {list(frequencies)}: must lie in [0, 1] and sum to 1; "
            "divide the pixels of each class by all pixels that are not ignored"
        )
    return shares
