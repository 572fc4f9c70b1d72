"""The made-up data set: frequency and difficulty are what its specification says."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from dfaseg.datasets.load import Split, load_split
from dfaseg.datasets.pixel_counts import pixel_counts, pixel_frequencies
from dfaseg.datasets.synthetic import SyntheticSpec, bayes_error, best_dice, read_synthetic
from dfaseg.datasets.synthetic_tissue import LOOKS
from dfaseg.errors import ConfigError
from dfaseg.evaluation.confusion import ConfusionMatrix
from dfaseg.evaluation.metrics import compute_scores

FEW = SyntheticSpec(num_images=(2, 1, 1))
COMMON_EASY, COMMON_HARD, RARE_EASY, RARE_HARD = range(1, 5)


@pytest.fixture(scope="module")
def splits() -> tuple[Split, Split]:
    """Return 60 training and 30 test images, decoded."""
    data = read_synthetic(SyntheticSpec(num_images=(60, 1, 30)))
    return load_split(data.train), load_split(data.test)


def test_same_seed_gives_the_same_pixels() -> None:
    """Image and label depend on the seed alone, not on when or how often they are drawn."""
    first, again = (read_synthetic(FEW).train[1].read() for _ in range(2))
    other = read_synthetic(SyntheticSpec(seed=1, num_images=FEW.num_images)).train[1].read()

    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.label, again.label)
    assert not np.array_equal(first.image, other.image)


def test_splits_share_no_case_and_no_picture() -> None:
    """Training, validation and test images are drawn apart."""
    data = read_synthetic(FEW)
    examples = (*data.train, *data.val, *data.test)

    assert len({example.case for example in examples}) == 4
    assert len({example.read().image.tobytes() for example in examples}) == 4


def test_every_kind_takes_every_look_over_four_seeds() -> None:
    """Colours are rotated among the classes, so that no class is easier for its colour."""
    looks = np.array([SyntheticSpec(seed=seed).looks for seed in range(len(LOOKS))])

    for by_seed in (*looks, *looks.T):
        assert sorted(by_seed) == list(range(len(LOOKS)))


def test_frequency_says_nothing_about_difficulty(splits: tuple[Split, Split]) -> None:
    """Both common classes are four times as frequent as both rare ones."""
    counts = pixel_counts(splits[0], 5)

    shares = pixel_frequencies(counts)

    assert shares[0] == pytest.approx(0.57, abs=0.04)
    assert shares[[COMMON_EASY, COMMON_HARD]] == pytest.approx(0.172, rel=0.1)
    assert shares[[RARE_EASY, RARE_HARD]] == pytest.approx(0.043, rel=0.25)


def test_hard_classes_are_hard_for_a_simple_classifier(splits: tuple[Split, Split]) -> None:
    """Nearest neighbours in local colour find the easy classes, common or rare, far better."""
    train, test = (_sample(split) for split in splits)

    dice = _nearest_neighbours_dice(train, test)

    assert min(dice[COMMON_EASY], dice[RARE_EASY]) > 0.85
    assert max(dice[COMMON_HARD], dice[RARE_HARD]) < 0.75


@pytest.mark.parametrize(
    ("distance", "error", "dice"), [(0.0, 0.5, 2 / 3), (2.0, 0.1587, 0.8443), (5.0, 0.0062, 0.994)]
)
def test_limits_of_any_classifier(distance: float, error: float, dice: float) -> None:
    """No distance is a coin's toss, at best all taken for diseased; the rest is Phi(-d/2)."""
    assert bayes_error(distance) == pytest.approx(error, abs=1e-4)
    assert best_dice(distance) == pytest.approx(dice, abs=1e-3)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seed": -1}, "seed -1"),
        ({"num_images": (0, 1, 1)}, "one or more each"),
        ({"rarity": 0}, "rarity 0"),
        ({"hard_distance": 6.0}, "not the smaller"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any], message: str) -> None:
    """Each error names the setting."""
    with pytest.raises(ConfigError, match=message):
        SyntheticSpec(**wrong)


def _sample(split: Split) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Return mean and spread of colour round every eighth pixel, and the labels there."""
    features = np.concatenate([_local_colour(image)[4::8, 4::8] for image in split.images])
    labels = np.concatenate([label[4::8, 4::8] for label in split.labels])
    return features.reshape(-1, features.shape[-1]), labels.ravel()


def _local_colour(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    pixels = image.astype(np.float64)
    mean = cv2.blur(pixels, (15, 15))
    spread = np.sqrt(np.maximum(cv2.blur(pixels**2, (15, 15)) - mean**2, 0))
    return np.concatenate([mean, spread], axis=-1)


def _nearest_neighbours_dice(
    train: tuple[NDArray[np.float64], NDArray[np.uint8]],
    test: tuple[NDArray[np.float64], NDArray[np.uint8]],
) -> Sequence[float]:
    _, nearest = cKDTree(train[0]).query(test[0], k=15)
    votes = np.apply_along_axis(np.bincount, 1, train[1][nearest], minlength=5)
    confusion = ConfusionMatrix(5)
    confusion.update(test[1], votes.argmax(axis=1).astype(np.uint8))
    dice: Sequence[float] = compute_scores(confusion).dice.tolist()
    return dice
