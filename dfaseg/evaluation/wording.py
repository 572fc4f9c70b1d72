"""Numbers as words: how scores are written in every table and sentence."""

import math

from dfaseg.evaluation.estimate import Estimate
from dfaseg.wording import counted

ABSENT = "–"
"""Stands where a score is not defined."""


def number(value: float, digits: int = 3) -> str:
    """Return a score with a fixed number of digits."""
    return f"{value:.{digits}f}" if math.isfinite(value) else ABSENT


def signed(value: float, digits: int = 3) -> str:
    """Return a difference with its sign, a true minus sign among them."""
    return f"{value:+.{digits}f}".replace("-", "−") if math.isfinite(value) else ABSENT


def percent(share: float) -> str:
    """Return a share of 1 as percent."""
    return f"{100 * share:.1f} %" if math.isfinite(share) else ABSENT


def interval(estimate: Estimate) -> str:
    """Return the ends of an interval, or nothing where there is none."""
    if not estimate.has_interval:
        return ""
    return f"{number(estimate.low)} to {number(estimate.high)}"


def p_value(value: float) -> str:
    """Return a probability; very small ones as a bound."""
    if not math.isfinite(value):
        return ABSENT
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def named(name: str) -> str:
    """Return the name of a method for a sentence, quoted where it holds a comma itself."""
    return f"“{name}”" if ", " in name else name


def pixels(amount: int) -> str:
    """Return a number of pixels as a person would say it."""
    if amount >= 1_000_000:
        return f"{amount / 1_000_000:,.1f} million pixels"
    return counted(amount, "pixel")
