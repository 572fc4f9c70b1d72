"""How often each class occurs in labelled images."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.datasets.load import Split
from dfaseg.datasets.places import Place
from dfaseg.errors import DatasetError
from dfaseg.native.count import count_values


def pixel_counts(
    split: Split, num_classes: int, places: Sequence[Place] | None = None
) -> NDArray[np.int64]:
    """Count the pixels of each class in each image or place, ignored pixels left out.

    Args:
        split: Labelled images.
        num_classes: Number of classes k.
        places: Parts of the images to count in; without them, each image as a whole.

    Returns:
        Counts, shape ``(n, k)``, one row per place or image.

    Raises:
        DatasetError: A label holds an index that is neither a class nor the ignore index.
    """
    if places is None:
        parts: Iterable[tuple[int, NDArray[np.uint8]]] = enumerate(split.labels)
    else:
        parts = ((place.image, split.labels[place.image][place.rect.slices]) for place in places)
    rows = [_count(label, num_classes, split.names[image]) for image, label in parts]
    return np.array(rows, np.int64).reshape(-1, num_classes)


def _count(label: NDArray[np.uint8], num_classes: int, name: str) -> NDArray[np.int64]:
    histogram = count_values(label)
    unknown = np.flatnonzero(histogram[num_classes:IGNORE_INDEX])
    if unknown.size:
        raise DatasetError(
            f"mask '{name}': holds code {unknown[0] + num_classes}, but the classes are 0 to"
            f" {num_classes - 1}; correct the mask or the class map"
        )
    return histogram[:num_classes]


def pixel_frequencies(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return each class's share of all labelled pixels.

    Args:
        counts: Pixels per image and class, shape ``(n, k)``; of whole images, because places
            overlap and would count some pixels twice.

    Returns:
        Shares that sum to 1, shape ``(k,)``.

    Raises:
        DatasetError: No pixel is labelled.
    """
    require_labelled(counts, "training")
    return np.asarray(counts.sum(axis=0) / counts.sum(), np.float64)


def require_labelled(counts: NDArray[np.int64], split_name: str) -> None:
    """Refuse a split in which every pixel is ignored.

    Args:
        counts: Pixels per image and class, shape ``(n, k)``.
        split_name: For the message.

    Raises:
        DatasetError: No pixel is labelled.
    """
    if not counts.any():
        raise DatasetError(f"{split_name} split: no labelled pixel; check the masks")


def image_weights(
    counts: NDArray[np.int64], balance: float, frequencies: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return the probability with which each image or place is drawn for training.

    Its weight is the mean of ``frequency ** -balance`` over its labelled pixels, so that with
    ``balance`` 1 every class is drawn about equally often.

    Args:
        counts: Pixels per image (or place) and class, shape ``(n, k)``.
        balance: 0 (all alike) to 1.
        frequencies: Share of each class in the whole images, shape ``(k,)``; by default measured
            from ``counts``, which is right for images but not for places that overlap.

    Returns:
        Probabilities that sum to 1, shape ``(n,)``; 0 where no pixel is labelled.

    Raises:
        DatasetError: No pixel is labelled.
    """
    if frequencies is None:
        frequencies = pixel_frequencies(counts)
    rarity = np.where(frequencies > 0, np.maximum(frequencies, 1e-12) ** -balance, 0.0)
    labelled = counts.sum(axis=1)
    weights = counts @ rarity / np.maximum(labelled, 1)
    return np.asarray(weights / weights.sum(), np.float64)
