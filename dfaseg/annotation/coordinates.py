"""Mask vertices placed in level-0 pixels and written as text, many at a time."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfaseg.errors import ConfigError

_FOUR_DIGITS = np.array([f"{number:04d}".encode() for number in range(10_000)], "S4")
"""Text of all numbers below 10 000, so that four digits cost one look-up."""


@dataclass(frozen=True, slots=True)
class MaskFrame:
    """Where mask pixels lie in the frame that polygons are written in.

    A mask vertex ``(x, y)`` is written as ``(x * scale_x - origin_x, y * scale_y - origin_y)``.
    """

    scale_x: float
    """Level-0 px per mask px."""
    scale_y: float
    origin_x: float = 0
    """Level-0 px; the corner that viewers take as (0, 0)."""
    origin_y: float = 0

    def __post_init__(self) -> None:
        if not (0 < self.scale_x < math.inf and 0 < self.scale_y < math.inf):
            raise ConfigError(
                f"mask scale {self.scale_x} × {self.scale_y}: must be positive level-0 px per px"
            )

    @property
    def decimals(self) -> int:
        """Decimals that coordinates are written with.

        None where all are integers; else at least two, and always enough that a coordinate read
        back is within a tenth of a mask pixel, so that rounding gives the vertex exactly.
        """
        numbers = (self.scale_x, self.scale_y, self.origin_x, self.origin_y)
        if all(float(number).is_integer() for number in numbers):
            return 0
        return max(2, 1 + math.ceil(-math.log10(min(self.scale_x, self.scale_y))))

    def place(self, vertices: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return vertices in units of the last decimal, ``(n, 2)``."""
        scale = np.array([self.scale_x, self.scale_y])
        placed = vertices * scale - np.array([self.origin_x, self.origin_y])
        units: NDArray[np.int64] = np.rint(placed * 10**self.decimals).astype(np.int64)
        return units


def format_vertices(
    vertices: NDArray[np.int32], frame: MaskFrame
) -> tuple[bytes, NDArray[np.intp]]:
    """Write vertices as JSON text.

    All characters of all numbers are laid out in a table, and those that are not leading zeros
    are taken from it in one go.

    Args:
        vertices: ``(n, 2)``, (x, y) in mask pixels.
        frame: Where they lie.

    Returns:
        The text ``[x,y],`` of all vertices, and where each begins in it, ``(n + 1,)``.
    """
    placed, decimals = frame.place(vertices), frame.decimals
    size = np.abs(placed)
    num_digits = max(len(str(int(size.max(initial=0)))), decimals + 1)
    digits = _digits(size, num_digits)
    point = [] if decimals == 0 else [np.full((*size.shape, 1), ord("."), np.uint8)]
    whole = num_digits - decimals
    opening = np.broadcast_to(np.array([[ord("[")], [ord(",")]], np.uint8), (*size.shape, 1))
    sign = np.full_like(opening, ord("-"))
    text = np.concatenate(
        [opening, sign, digits[..., :whole], *point, digits[..., whole:]], axis=-1
    )
    is_kept = np.ones(text.shape, bool)
    is_kept[..., 1] = placed < 0
    for column in range(whole - 1):
        is_kept[..., 2 + column] = size >= 10 ** (num_digits - 1 - column)
    closing = np.broadcast_to(np.frombuffer(b"],", np.uint8), (len(placed), 2))
    text = np.concatenate([text.reshape(len(placed), -1), closing], axis=1)
    is_kept = np.pad(is_kept.reshape(len(placed), -1), ((0, 0), (0, 2)), constant_values=True)
    bounds = np.zeros(len(placed) + 1, np.intp)
    np.cumsum(np.count_nonzero(is_kept, axis=1), out=bounds[1:])
    return text[is_kept].tobytes(), bounds


def _digits(numbers: NDArray[np.int64], count: int) -> NDArray[np.uint8]:
    """Return the last ``count`` digits of each number as characters, ``(..., count)``."""
    groups = []
    for _ in range(-(-count // 4)):
        numbers, group = np.divmod(numbers, 10_000)
        groups.append(_FOUR_DIGITS[group])
    table = np.stack(groups[::-1], axis=-1).view(np.uint8)
    return table[..., table.shape[-1] - count :]
