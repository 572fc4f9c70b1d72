"""Resolutions in µm per pixel, and the exact fractions that link pixel grids."""

import math
from fractions import Fraction

MIN_PLAUSIBLE_MPP = 0.05
"""µm/px; finer than any light microscope resolves."""
MAX_PLAUSIBLE_MPP = 20.0
"""µm/px; coarser than any slide scanner's finest level."""


def is_plausible_mpp(mpp: float) -> bool:
    """Tell whether a slide's finest level can have this resolution (µm per pixel)."""
    return math.isfinite(mpp) and MIN_PLAUSIBLE_MPP <= mpp <= MAX_PLAUSIBLE_MPP


def simplest_fraction(value: float, tolerance: float) -> Fraction:
    """Return the fraction of smallest denominator within a relative tolerance of ``value``.

    A pixel grid that is ``p/q`` times coarser than another repeats its phase every ``q`` pixels,
    which lets a slide be resampled exactly in independent blocks.

    Args:
        value: Positive number to approach.
        tolerance: Largest allowed ``|fraction / value - 1|``.
    """
    for denominator in range(1, math.ceil(1 / (value * tolerance)) + 1):
        numerator = round(value * denominator)
        if numerator > 0 and abs(numerator / denominator / value - 1) <= tolerance:
            return Fraction(numerator, denominator)
    return Fraction(value).limit_denominator(10**6)
