"""What is measured on a training split."""

import numpy as np
import pytest

from dfaseg.datasets.load import Split
from dfaseg.datasets.pixel_counts import image_weights, pixel_counts, pixel_frequencies
from dfaseg.errors import DatasetError


def _split(*labels: list[int]) -> Split:
    arrays = tuple(np.array([label], np.uint8) for label in labels)
    images = tuple(np.zeros((*array.shape, 3), np.uint8) for array in arrays)
    names = tuple(f"image-{number}" for number in range(len(labels)))
    return Split(names, names, images, arrays)


def test_frequencies_leave_ignored_pixels_out() -> None:
    """Shares are of the labelled pixels and sum to one."""
    counts = pixel_counts(_split([0, 0, 255, 255], [1, 0, 2, 255]), 3)

    assert counts.tolist() == [[2, 0, 0], [1, 1, 1]]
    assert pixel_frequencies(counts) == pytest.approx([3 / 5, 1 / 5, 1 / 5])


def test_unknown_code_names_image_and_code() -> None:
    """A mask with a code that is no class is named."""
    with pytest.raises(DatasetError, match=r"image-1.*code 7"):
        pixel_counts(_split([0, 1], [0, 7]), 3)


def test_split_without_labels_is_refused() -> None:
    """Frequencies of nothing are an error and not a division by zero."""
    with pytest.raises(DatasetError):
        pixel_frequencies(pixel_counts(_split([255, 255]), 2))


def test_no_balance_draws_all_images_alike() -> None:
    """With balance 0 every image has the same probability."""
    weights = image_weights(np.array([[9, 1], [5, 5], [10, 0]]), balance=0.0)

    assert weights == pytest.approx([1 / 3] * 3)


def test_full_balance_draws_classes_alike() -> None:
    """With balance 1, images of one class each give every class the same share."""
    counts = np.array([[10, 0], [10, 0], [10, 0], [0, 10]])

    weights = image_weights(counts, balance=1.0)

    assert weights == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2])


def test_image_without_labels_is_never_drawn() -> None:
    """Nothing can be learnt from an image that is ignored altogether."""
    weights = image_weights(np.array([[4, 4], [0, 0]]), balance=0.5)

    assert weights.tolist() == [1.0, 0.0]
