"""Labelled images in memory, and what is measured on them before training."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfaseg.classmap import IGNORE_INDEX, ClassMap
from dfaseg.errors import DatasetError


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """What a model trained on a data set must say about it.

    Attributes:
        name: Name of the data set as its authors write it.
        class_map: Its classes.
        mpp: Resolution of its images in µm per pixel.
        mpp_note: How the resolution is known.
        source: Official address.
        licence: Licence of the data.
        attribution: Whom to name.
        glass_index: Class of empty glass, or None if the data set has no such class.
        weights_licence: Licence under which weights trained on it may be passed on.
        intended_use: What such weights are good for.
        limits: What they are not good for.
    """

    name: str
    class_map: ClassMap
    mpp: float
    mpp_note: str
    source: str
    licence: str
    attribution: str
    glass_index: int | None
    weights_licence: str
    intended_use: str
    limits: str


@dataclass(frozen=True, slots=True)
class Split:
    """Images and labels of one split, decoded and held in memory.

    Attributes:
        names: One name per image.
        images: RGB, uint8 ``(h, w, 3)`` each.
        labels: Class indices, uint8 ``(h, w)`` each, 255 = ignore.
    """

    names: tuple[str, ...]
    images: Sequence[NDArray[np.uint8]]
    labels: Sequence[NDArray[np.uint8]]

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, slots=True)
class TrainingData:
    """A data set with its three splits, which share no case."""

    info: DatasetInfo
    train: Split
    val: Split
    test: Split


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
