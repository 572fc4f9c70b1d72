"""Exact area resampling of pixels that lie on a device, to the same bits as on the host."""

from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MAX_EXACT_WEIGHT = 4096
"""Largest sum of weights with which means are rounded as they should: single precision holds the
sums exactly, and tells halves from what is just below them."""
_BLOCK_PX = 1 << 25
"""Most pixels turned into float32 at a time, which takes 12 bytes for each."""


def can_shrink(scale_x: Fraction, scale_y: Fraction) -> bool:
    """Tell whether shrinking by these scales on a device gives the bits of the host."""
    exact = scale_x.numerator * scale_y.numerator <= MAX_EXACT_WEIGHT
    return min(scale_x, scale_y) >= 1 and exact


class DeviceShrinker:
    """Shrinks whole periods of rows, as ``native.average`` does on the host.

    Weights are whole numbers, as there, and all sums stay below 2**24: float32 holds them exactly
    in whatever order they are made.

    Args:
        scale_x: Source pixels per result pixel, horizontally; see ``can_shrink``.
        scale_y: The same, vertically.
        device: Where pixels lie.
    """

    def __init__(self, scale_x: Fraction, scale_y: Fraction, device: torch.device) -> None:
        self._scale_x, self._scale_y = scale_x, scale_y
        self._weight = scale_x.numerator * scale_y.numerator
        self._rows = torch.from_numpy(area_weights(scale_y)).to(device)
        # Colours lie side by side: each is summed with the weights of its pixel.
        self._columns = torch.from_numpy(area_weights(scale_x, 3).T.copy()).to(device)

    def __call__(self, source: Tensor) -> Tensor:
        """Shrink rows.

        Args:
            source: RGB, uint8 ``(h, w, 3)``; h and w are multiples of the scales' numerators.

        Returns:
            uint8 ``(h / scale_y, w / scale_x, 3)``.
        """
        if self._weight == 1:
            return source
        height, width, _ = source.shape
        period = self._scale_x.numerator
        block = max(period, _BLOCK_PX // max(1, height) // period * period)
        parts = [self._shrink(source[:, x : x + block]) for x in range(0, width, block)]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def _shrink(self, source: Tensor) -> Tensor:
        height, width, _ = source.shape
        rows, columns = self._scale_y, self._scale_x
        periods = source.reshape(-1, rows.numerator, width * 3).float()
        sums = self._rows @ periods  # (periods, rows per period, w * 3)
        sums = sums.reshape(-1, columns.numerator * 3) @ self._columns
        out = self._divided(sums).to(torch.uint8)
        return out.reshape(int(height / rows), int(width / columns), 3)

    def _divided(self, sums: Tensor) -> Tensor:
        """Divide sums by their weight, rounded as the host rounds: halves up."""
        # A quarter of a unit brings what is just a whole number, and nothing else, above it.
        return ((sums + (self._weight // 2 + 0.25)) * (1 / self._weight)).floor_()


def area_weights(scale: Fraction, channels: int = 1) -> NDArray[np.float32]:
    """Return how much of each source pixel of a period each result pixel covers.

    In units of 1/denominator, so that all are whole numbers.

    Returns:
        Shape ``(denominator * channels, numerator * channels)``; channels do not mix.
    """
    extent, unit = scale.numerator, scale.denominator
    start = np.arange(unit)[:, None] * extent
    first = np.arange(extent) * unit
    covered = np.minimum(start + extent, first + unit) - np.maximum(start, first)
    weights = covered.clip(0).astype(np.float32)
    return np.kron(weights, np.eye(channels, dtype=np.float32))
