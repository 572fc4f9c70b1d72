"""The confusion matrix counts every analysed pixel once."""

import numpy as np
import pytest

from dfaseg.errors import ConfigError
from dfaseg.evaluation.confusion import ConfusionMatrix


def test_pixels_are_counted_by_truth_and_prediction() -> None:
    """Rows are the truth, columns the prediction; 255 on either side is left out."""
    label = np.array([[0, 0, 1], [1, 255, 2]], np.uint8)
    mask = np.array([[0, 1, 1], [1, 2, 255]], np.uint8)
    confusion = ConfusionMatrix(3)

    confusion.update(label, mask)

    assert confusion.counts.tolist() == [[1, 1, 0], [0, 2, 0], [0, 0, 0]]


def test_parts_add_up_to_the_whole() -> None:
    """Counting a split in two parts gives the same matrix as counting it at once."""
    rng = np.random.default_rng(1)
    label, mask = rng.integers(0, 4, (2, 10, 10), np.uint8)
    whole, first, second = (ConfusionMatrix(4) for _ in range(3))

    whole.update(label, mask)
    first.update(label[:3], mask[:3])
    second.update(label[3:], mask[3:])

    assert np.array_equal((first + second).counts, whole.counts)


@pytest.mark.parametrize(
    ("label", "mask"),
    [([0, 3], [0, 0]), ([0, 0], [0, 7]), ([0, 0, 0], [0, 0])],
    ids=["label beyond classes", "mask beyond classes", "shapes differ"],
)
def test_impossible_input_is_refused(label: list[int], mask: list[int]) -> None:
    """An index that is no class, or shapes that differ, is an error and not a wrong score."""
    with pytest.raises(ConfigError):
        ConfusionMatrix(3).update(np.array(label, np.uint8), np.array(mask, np.uint8))


def test_matrices_of_different_sizes_do_not_add_up() -> None:
    """Adding matrices of different class counts is an error."""
    with pytest.raises(ConfigError):
        ConfusionMatrix(2) + ConfusionMatrix(3)
