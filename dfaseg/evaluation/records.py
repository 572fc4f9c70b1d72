"""Arrays as JSON and back: what is not defined is NaN here and null there."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
CountArray = NDArray[np.int64]


def to_plain(values: FloatArray | CountArray) -> list[Any]:
    """Return nested lists that JSON can hold; NaN becomes None, all else keeps every digit.

    Args:
        values: Any shape of at least one axis.
    """
    if values.ndim > 1:
        return [to_plain(row) for row in values]
    return [to_number(value) for value in values.tolist()]


def to_number(value: float) -> float | None:
    """Return a number that JSON can hold; what is not finite becomes None."""
    return value if np.isfinite(value) else None


def to_floats(values: Iterable[float | None]) -> FloatArray:
    """Return what ``to_plain`` made of a row of floats; None becomes NaN."""
    return np.array([np.nan if value is None else value for value in values], np.float64)


def ratio(numerator: FloatArray | CountArray, denominator: FloatArray | CountArray) -> FloatArray:
    """Divide element by element; where nothing can be divided by, NaN.

    Args:
        numerator: Any shape.
        denominator: A shape that broadcasts with it; not negative.
    """
    shape = np.broadcast_shapes(numerator.shape, denominator.shape)
    undefined = np.full(shape, np.nan)
    np.divide(numerator, denominator, out=undefined, where=np.asarray(denominator) > 0)
    return undefined
