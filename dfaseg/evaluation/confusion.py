"""Confusion matrix over a whole split, filled image by image."""

import numpy as np
from numpy.typing import NDArray

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.errors import ConfigError


class ConfusionMatrix:
    """Counts of pixels by true class (row) and predicted class (column).

    Pixels whose label or mask is 255 are left out. Two matrices add up, so that splits can be
    counted in parts.

    Attributes:
        counts: int64 ``(k, k)``.
    """

    def __init__(self, num_classes: int) -> None:
        self.counts: NDArray[np.int64] = np.zeros((num_classes, num_classes), np.int64)

    def update(self, label: NDArray[np.uint8], mask: NDArray[np.uint8]) -> None:
        """Count the pixels of one image or batch.

        Args:
            label: True class indices, any shape, 255 = ignore.
            mask: Predicted class indices, same shape, 255 = not analysed.

        Raises:
            ConfigError: The shapes differ or an index is no class.
        """
        if label.shape != mask.shape:
            raise ConfigError(f"label {label.shape} and mask {mask.shape}: shapes must be equal")
        num_classes = len(self.counts)
        # Two bytes side by side are one 16-bit code: a single histogram counts all pairs.
        codes = (label.astype(np.uint16) << 8) | mask.astype(np.uint16)
        pairs = np.bincount(codes.ravel(), minlength=65536).reshape(256, 256)
        pairs = pairs[:IGNORE_INDEX, :IGNORE_INDEX]
        inside = pairs[:num_classes, :num_classes]
        if inside.sum() != pairs.sum():
            raise ConfigError(f"label or mask: holds an index above {num_classes - 1}")
        self.counts += inside

    def __add__(self, other: "ConfusionMatrix") -> "ConfusionMatrix":
        """Return the matrix of both parts together."""
        if self.counts.shape != other.counts.shape:
            raise ConfigError("confusion matrices: different numbers of classes cannot be added")
        total = ConfusionMatrix(len(self.counts))
        total.counts = self.counts + other.counts
        return total
