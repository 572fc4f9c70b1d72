"""The training split as training needs it: decoded, cut into places, its classes counted."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfaseg.datasets.dataset import Dataset
from dfaseg.datasets.load import Split, load_split
from dfaseg.datasets.pixel_counts import image_weights, pixel_counts, pixel_frequencies
from dfaseg.datasets.places import Place, tile_split


@dataclass(frozen=True, slots=True)
class TrainingSplit:
    """What patches are cut from.

    Attributes:
        split: Images and labels.
        places: Parts of the images about as large as a patch; together they cover every image.
        weights: How often each place is drawn, ``(len(places),)``; sums to 1.
        pixel_counts: Labelled pixels of each class, each pixel once, ``k`` numbers.
    """

    split: Split
    places: tuple[Place, ...]
    weights: NDArray[np.float64]
    pixel_counts: tuple[int, ...]

    @property
    def frequencies(self) -> tuple[float, ...]:
        """Share of each class among the labelled pixels."""
        total = sum(self.pixel_counts)
        return tuple(count / total for count in self.pixel_counts)

    def num_patches(self, patch_px: int) -> int:
        """Return how many patches the labelled pixels would fill."""
        return max(1, round(sum(self.pixel_counts) / patch_px**2))

    def image_name(self, place: int) -> str:
        """Return the name of the image that a place lies in."""
        return self.split.names[self.places[place].image]


def load_training_split(
    data: Dataset, patch_px: int, balance: float, *, workers: int = 1
) -> TrainingSplit:
    """Decode the training split and measure its classes.

    Args:
        data: The data set.
        patch_px: Side of the training patches.
        balance: 0 draws all places alike, 1 all classes.
        workers: Threads that decode.

    Raises:
        DatasetError: An image cannot be read, a label holds an unknown code, or nothing is
            labelled.
    """
    split = load_split(data.train, workers=workers)
    num_classes = len(data.info.class_map)
    counts = pixel_counts(split, num_classes)
    frequencies = pixel_frequencies(counts)
    places = tile_split(split, patch_px)
    weights = image_weights(pixel_counts(split, num_classes, places), balance, frequencies)
    return TrainingSplit(split, places, weights, tuple(counts.sum(axis=0).tolist()))
