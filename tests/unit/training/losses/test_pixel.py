"""Pixel terms: numbers worked by hand and formulas written as loops."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dfaseg.training.losses import LossSpec, build_loss
from tests.losses import PIXEL_COUNTS, labelled_example, small_loss

Pixel = Callable[[NDArray[np.float64], int], float]
"""Loss of one pixel from its logits ``(k,)`` and its class."""


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def _one_pixel(logits: list[float], label: int) -> tuple[Tensor, None, Tensor]:
    return torch.tensor(logits).view(1, -1, 1, 1), None, torch.tensor([[[label]]])


def _mean(pixel: Pixel, logits: Tensor, labels: Tensor) -> float:
    """Return the mean over the labelled pixels, one at a time."""
    values = [
        pixel(logits[image, :, row, column].double().numpy(), int(labels[image, row, column]))
        for image, row, column in (labels != 255).nonzero().tolist()
    ]
    return sum(values) / len(values)


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(logits)
    return np.asarray(powers / powers.sum())


def test_focal_loss_equals_numbers_worked_by_hand() -> None:
    """Both classes are 1:3 in favour of the right decision, so each costs (1/4)² log(4/3)."""
    loss = build_loss(LossSpec("focal"), pixel_counts=[1, 1], num_patches=1)

    value = loss(*_one_pixel([math.log(3), -math.log(3)], 0)).total

    assert value.item() == pytest.approx(math.log(4 / 3) / 16)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 3.5])
def test_focal_loss_equals_its_formula(gamma: float) -> None:
    """Mean of -(1 - p)^gamma log p over labelled pixels and classes."""
    logits, labels = labelled_example()

    def pixel(logits: NDArray[np.float64], label: int) -> float:
        is_class = np.arange(3) == label
        right = 1 / (1 + np.exp(np.where(is_class, -logits, logits)))
        return float(np.mean(-((1 - right) ** gamma) * np.log(right)))

    value = small_loss("focal", gamma=gamma)(logits, None, labels).total

    assert value.item() == pytest.approx(_mean(pixel, logits, labels), rel=1e-5)


def test_cross_entropy_equals_torch() -> None:
    """The cross-entropy is torch's own with 255 ignored."""
    logits, labels = labelled_example()

    value = small_loss("ce")(logits, None, labels).total

    expected = functional.cross_entropy(logits, labels.long(), ignore_index=255)
    assert value.item() == pytest.approx(expected.item(), rel=1e-6)


def test_posthoc_adjustment_learns_from_plain_cross_entropy() -> None:
    """The adjustment is made when predicting, not when learning."""
    logits, labels = labelled_example()

    posthoc = small_loss("logit_adjusted_posthoc")(logits, None, labels).total

    assert posthoc == small_loss("ce")(logits, None, labels).total


def test_class_balanced_loss_equals_numbers_worked_by_hand() -> None:
    """With beta 1/2 and 1 and 2 pixels per patch: 1 / E = 1 and 2/3, scaled to sum to 2."""
    loss = build_loss(LossSpec("class_balanced", beta=0.5), pixel_counts=[10, 20], num_patches=10)

    common = loss(*_one_pixel([0.0, 0.0], 1)).total
    rare = loss(*_one_pixel([0.0, 0.0], 0)).total

    assert common.item() == pytest.approx(0.8 * math.log(2))
    assert rare.item() == pytest.approx(1.2 * math.log(2))


def test_class_balanced_loss_is_a_mean_over_pixels_not_over_weights() -> None:
    """As in the paper, the weights are not divided out again."""
    logits, labels = labelled_example()
    per_patch = np.array(PIXEL_COUNTS) / 4
    weights = 1 / (1 - 0.99**per_patch)
    weights *= 3 / weights.sum()

    def pixel(logits: NDArray[np.float64], label: int) -> float:
        return float(-weights[label] * np.log(_softmax(logits)[label]))

    value = small_loss("class_balanced", beta=0.99)(logits, None, labels).total

    assert value.item() == pytest.approx(_mean(pixel, logits, labels), rel=1e-5)


def test_class_balanced_loss_with_beta_zero_is_cross_entropy() -> None:
    """Where a second pixel brings nothing new, every class counts alike."""
    logits, labels = labelled_example()

    value = small_loss("class_balanced", beta=0.0)(logits, None, labels).total

    assert value.item() == pytest.approx(small_loss("ce")(logits, None, labels).total.item())


def test_logit_adjusted_loss_equals_numbers_worked_by_hand() -> None:
    """Equal logits, a class of 1/4 of the pixels: its probability is 1/4."""
    loss = build_loss(LossSpec("logit_adjusted"), pixel_counts=[1, 3], num_patches=1)

    assert loss(*_one_pixel([0.0, 0.0], 0)).total.item() == pytest.approx(math.log(4))
    assert loss(*_one_pixel([0.0, 0.0], 1)).total.item() == pytest.approx(math.log(4 / 3))


def test_logit_adjusted_loss_scales_with_tau() -> None:
    """At tau 1/2 the frequencies enter as their square roots."""
    loss = build_loss(LossSpec("logit_adjusted", tau=0.5), pixel_counts=[1, 4], num_patches=1)

    assert loss(*_one_pixel([0.0, 0.0], 0)).total.item() == pytest.approx(math.log(3))


def test_logit_adjusted_loss_equals_its_formula() -> None:
    """Cross-entropy of the softmax of f + tau log pi."""
    logits, labels = labelled_example()
    log_frequencies = np.log(np.array(PIXEL_COUNTS) / sum(PIXEL_COUNTS))

    def pixel(logits: NDArray[np.float64], label: int) -> float:
        return float(-np.log(_softmax(logits + 1.5 * log_frequencies)[label]))

    value = small_loss("logit_adjusted", tau=1.5)(logits, None, labels).total

    assert value.item() == pytest.approx(_mean(pixel, logits, labels), rel=1e-5)


def test_balanced_softmax_weighs_each_class_by_its_pixels() -> None:
    """-log( n_y e^y / sum of n_j e^j ), whatever tau says."""
    logits, labels = labelled_example()
    counts = np.array(PIXEL_COUNTS)

    def pixel(logits: NDArray[np.float64], label: int) -> float:
        powers = counts * np.exp(logits)
        return float(-np.log(powers[label] / powers.sum()))

    value = small_loss("balanced_softmax", tau=9.0)(logits, None, labels).total

    assert value.item() == pytest.approx(_mean(pixel, logits, labels), rel=1e-5)


def test_logits_are_compared_at_the_resolution_of_the_label() -> None:
    """A coarse map is upsampled before it is scored; the label is never shrunk."""
    logits, labels = torch.randn(1, 3, 2, 2), torch.randint(0, 3, (1, 8, 8), dtype=torch.uint8)
    fine = functional.interpolate(logits, (8, 8), mode="bilinear", align_corners=False)
    loss = small_loss("focal_dice")

    assert loss(logits, None, labels).total == loss(fine, None, labels).total
