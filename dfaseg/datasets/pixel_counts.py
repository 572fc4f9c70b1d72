"""How often each class occurs in labelled images."""

import numpy as np
from numpy.typing import NDArray

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.datasets.load import Split
from dfaseg.errors import DatasetError


def pixel_counts(split: Split, num_classes: int) -> NDArray[np.int64]:
    """Count the pixels of each class in each image, ignored pixels left out.

    Args:
        split: Labelled images.
        num_classes: Number of classes k.

    Returns:
        Counts, shape ``(len(split), k)``.

    Raises:
        DatasetError: A label holds an index that is neither a class nor the ignore index.
    """
    counts = np.zeros((len(split), num_classes), np.int64)
    for row, label in enumerate(split.labels):
        histogram = np.bincount(label.ravel(), minlength=IGNORE_INDEX + 1)
        unknown = np.flatnonzero(histogram[num_classes:IGNORE_INDEX])
        if unknown.size:
            raise DatasetError(
                f"mask '{split.names[row]}': holds code {unknown[0] + num_classes}, but the classes"
                f" are 0 to {num_classes - 1}; correct the mask or the class map"
            )
        counts[row] = histogram[:num_classes]
    return counts


def pixel_frequencies(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return each class's share of all labelled pixels.

    Args:
        counts: Pixels per image and class, shape ``(n, k)``.

    Returns:
        Shares that sum to 1, shape ``(k,)``.

    Raises:
        DatasetError: No pixel is labelled.
    """
    total = counts.sum()
    if total == 0:
        raise DatasetError("training split: no labelled pixel; check the masks")
    return np.asarray(counts.sum(axis=0) / total, np.float64)


def image_weights(counts: NDArray[np.int64], balance: float) -> NDArray[np.float64]:
    """Return the probability with which each image is drawn for training.

    An image's weight is the mean of ``frequency ** -balance`` over its labelled pixels, so
    that with ``balance`` 1 every class is drawn about equally often.

    Args:
        counts: Pixels per image and class, shape ``(n, k)``.
        balance: 0 (all images alike) to 1.

    Returns:
        Probabilities that sum to 1, shape ``(n,)``; 0 for an image without labelled pixels.
    """
    frequencies = pixel_frequencies(counts)
    rarity = np.where(frequencies > 0, np.maximum(frequencies, 1e-12) ** -balance, 0.0)
    labelled = counts.sum(axis=1)
    weights = counts @ rarity / np.maximum(labelled, 1)
    return np.asarray(weights / weights.sum(), np.float64)
