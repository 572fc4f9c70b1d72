"""Which loss a run learns from, and its numbers."""

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from dfaseg.errors import ConfigError

LossName = Literal[
    "focal_dice",
    "ce_dice",
    "focal",
    "ce",
    "class_balanced",
    "logit_adjusted",
    "logit_adjusted_posthoc",
    "balanced_softmax",
    "unified_focal",
    "ohem",
    "seesaw",
]

TermWeights = tuple[float, float, float]
"""Weights of the pixel term, the Dice term and the IoU term."""

_PAPER_WEIGHTS: TermWeights = (0.25, 0.75, 0.0625)
_PIXEL_TERM_ALONE: TermWeights = (1.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class LossSpec:
    """A loss by name; numbers of other losses are ignored.

    Attributes:
        name: The pixel term, and whether Dice and IoU join it by default.
        weights: Of the pixel term, the Dice term and the IoU term; None takes the default of
            the name: 0.25, 0.75, 0.0625 where it ends in ``_dice``, else the pixel term alone.
        gamma: Exponent of the focal loss.
        tau: Strength of the logit adjustment.
        beta: Of the class-balanced loss: how soon more pixels of a class bring nothing new.
        ohem_share: Share of the labelled pixels that count, the hardest ones.
        ohem_min_pixels: At least so many of a batch's pixels count, if it has them.
        unified: Weight of the focal part, delta and gamma of the unified focal loss.
        unified_asymmetric: Whether it treats rare classes (f < 1 / k) unlike common ones.
        seesaw: Exponents p (mitigation) and q (compensation) of the seesaw loss.

    Raises:
        ConfigError: A value is impossible.
    """

    name: LossName = "focal_dice"
    weights: TermWeights | None = None
    gamma: float = 2.0
    tau: float = 1.0
    beta: float = 0.9999
    ohem_share: float = 0.25
    ohem_min_pixels: int = 10_000
    unified: tuple[float, float, float] = (0.5, 0.6, 0.5)
    unified_asymmetric: bool = False
    seesaw: tuple[float, float] = (0.8, 2.0)

    def __post_init__(self) -> None:
        if self.name not in get_args(LossName):
            raise ConfigError(
                f"loss '{self.name}': unknown; use one of {', '.join(get_args(LossName))}"
            )
        _check_weights(self.term_weights)
        _check_range("gamma", self.gamma, 0, math.inf)
        _check_range("tau", self.tau, 0, math.inf)
        _check_range("beta", self.beta, 0, 1, includes_high=False)
        _check_range("ohem_share", self.ohem_share, 0, 1, includes_low=False)
        _check_whole("ohem_min_pixels", self.ohem_min_pixels)
        _check_switch("unified_asymmetric", self.unified_asymmetric)
        _check_length("unified", self.unified, 3)
        for number in self.unified:
            _check_range("unified", number, 0, 1)
        _check_length("seesaw", self.seesaw, 2)
        for number in self.seesaw:
            _check_range("seesaw", number, 0, math.inf)

    @property
    def term_weights(self) -> TermWeights:
        """Weights of the pixel term, the Dice term and the IoU term."""
        if self.weights is not None:
            return self.weights
        return _PAPER_WEIGHTS if self.name.endswith("_dice") else _PIXEL_TERM_ALONE


def _check_weights(weights: TermWeights) -> None:
    _check_length("weights", weights, 3)
    for weight in weights:
        _check_range("weights", weight, 0, math.inf)
    if weights[0] == 0 and weights[1] == 0:
        raise ConfigError(
            "loss: weights leave nothing to learn from; give the pixel term or the Dice term a"
            " weight above 0"
        )


def _check_length(name: str, values: object, length: int) -> None:
    if not isinstance(values, tuple) or len(values) != length:
        raise ConfigError(f"loss: {name} is {values!r}; it must be {length} numbers")


def _check_whole(name: str, value: object) -> None:
    if type(value) is not int or value < 0:
        raise ConfigError(f"loss: {name} is {value!r}; it must be a whole number of at least 0")


def _check_switch(name: str, value: object) -> None:
    if type(value) is not bool:
        raise ConfigError(f"loss: {name} is {value!r}; it must be true or false")


def _check_range(
    name: str,
    value: Any,
    low: float,
    high: float,
    *,
    includes_low: bool = True,
    includes_high: bool = True,
) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # Written so that NaN fails too.
    if (
        is_number
        and (low < value or (includes_low and value == low))
        and (value < high or (includes_high and value == high))
        and math.isfinite(value)
    ):
        return
    above = "at least" if includes_low else "above"
    below = "at most" if includes_high else "below"
    limit = f"{above} {low}" + ("" if high == math.inf else f" and {below} {high}")
    raise ConfigError(f"loss: {name} is {value!r}; it must be a number of {limit}")
