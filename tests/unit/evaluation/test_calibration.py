"""Confidence is compared with how often the network is right."""

import numpy as np
import pytest

from dfaseg.errors import ConfigError
from dfaseg.evaluation.calibration import CalibrationCounts, count_calibration


def _random_softmax(seed: int, *shape: int) -> np.ndarray:
    weights = np.random.default_rng(seed).gamma(0.5, size=shape)
    return weights / weights.sum(axis=0)


def test_error_equals_that_worked_out_by_hand() -> None:
    """Four pixels at 0.9, three of them right, are 0.15 too sure; one at 0.6 is 0.4 too unsure."""
    first = np.array([0.9, 0.9, 0.9, 0.9, 0.6])
    label = np.array([0, 0, 0, 1, 0], np.uint8)

    counts = count_calibration(np.stack([first, 1 - first]), label)

    assert counts.expected_error == pytest.approx((4 * 0.15 + 1 * 0.4) / 5)
    assert counts.accuracy_by_bin[13] == pytest.approx(0.75)
    assert np.isnan(counts.confidence_by_bin[0])


@pytest.mark.slow  # the other library takes seconds to import
@pytest.mark.parametrize("seed", range(3))
def test_error_equals_that_of_torchmetrics(seed: int) -> None:
    """An independent implementation finds the same error in random probabilities."""
    torch = pytest.importorskip("torch")
    other = pytest.importorskip("torchmetrics.functional.classification")
    probabilities = _random_softmax(seed, 4, 500)
    label = np.random.default_rng(seed + 9).integers(0, 4, 500).astype(np.uint8)
    expected = other.multiclass_calibration_error(
        torch.from_numpy(probabilities.T.copy()), torch.from_numpy(label).long(), 4, n_bins=15
    )

    counts = count_calibration(probabilities, label)

    assert counts.expected_error == pytest.approx(float(expected), abs=1e-6)


def test_ignored_pixels_are_not_counted_and_parts_add_up() -> None:
    """Strips of an image give the counts of the whole, without its ignored pixels."""
    probabilities = _random_softmax(1, 3, 8, 6)
    label = np.random.default_rng(2).integers(0, 3, (8, 6)).astype(np.uint8)
    label[2:4, 1] = 255

    whole = count_calibration(probabilities, label)
    parts = count_calibration(probabilities[:, :3], label[:3]) + count_calibration(
        probabilities[:, 3:], label[3:]
    )

    assert whole.pixels.sum() == 46
    assert np.array_equal(parts.pixels, whole.pixels)
    assert np.array_equal(parts.right, whole.right)
    assert parts.expected_error == pytest.approx(whole.expected_error)


def test_certain_and_right_is_perfectly_calibrated() -> None:
    """One-hot probabilities of the truth have no error; without a pixel there is none to state."""
    label = np.array([[0, 1], [1, 0]], np.uint8)
    sure = np.stack([label == 0, label == 1]).astype(np.float32)

    assert count_calibration(sure, label).expected_error == 0
    assert np.isnan(count_calibration(sure, np.full_like(label, 255)).expected_error)


def test_logits_and_wrong_shapes_are_refused() -> None:
    """Logits are no probabilities; other shapes are no truth of this image."""
    label = np.zeros((2, 2), np.uint8)
    with pytest.raises(ConfigError, match="apply softmax"):
        count_calibration(np.full((3, 2, 2), 4.0), label)
    with pytest.raises(ConfigError, match="must be equal"):
        count_calibration(np.zeros((3, 2, 1)), label)
    with pytest.raises(ConfigError, match="numbers of bins"):
        count_calibration(np.zeros((2, 2, 2)), label) + count_calibration(
            np.zeros((2, 2, 2)), label, num_bins=5
        )
    with pytest.raises(ConfigError, match="must agree"):
        CalibrationCounts(np.zeros(2, np.int64), np.zeros(3, np.int64), np.zeros(2))
