"""Unified focal loss: its special cases and both of its forms."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from dfaseg.training.losses import LossSpec, build_loss
from tests.losses import labelled_example, small_loss


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def _softmax_and_truth(
    logits: Tensor, labels: Tensor
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return probabilities and one-hot truth of the labelled pixels, ``(pixels, k)`` each."""
    is_valid = labels != 255
    probabilities = logits.double().softmax(dim=1).movedim(1, -1)[is_valid].numpy()
    return probabilities, np.eye(3)[labels[is_valid].numpy()]


def _tversky(p: NDArray[np.float64], g: NDArray[np.float64], delta: float) -> NDArray[np.float64]:
    both = (p * g).sum(axis=0)
    missed, found = ((1 - p) * g).sum(axis=0), (p * (1 - g)).sum(axis=0)
    return np.asarray((both + 1) / (both + delta * missed + (1 - delta) * found + 1))


def test_symmetric_form_equals_its_formula() -> None:
    """Delta (1 - p)^gamma CE over pixels, (1 - TI)^(1 - gamma) over classes."""
    logits, labels = labelled_example()
    p, g = _softmax_and_truth(logits, labels)
    true = (p * g).sum(axis=1)

    value = small_loss("unified_focal", unified=(0.3, 0.6, 0.25))(logits, None, labels).total

    focal = np.mean(0.6 * (1 - true) ** 0.25 * -np.log(true))
    tversky = np.mean((1 - _tversky(p, g, 0.6)) ** 0.75)
    assert value.item() == pytest.approx(0.3 * focal + 0.7 * tversky, rel=1e-5)


def test_asymmetric_form_protects_rare_classes() -> None:
    """Of 700, 250 and 50 pixels the last two are below a third and are never suppressed."""
    logits, labels = labelled_example()
    p, g = _softmax_and_truth(logits, labels)
    loss = small_loss("unified_focal", unified=(0.3, 0.6, 0.25), unified_asymmetric=True)

    value = loss(logits, None, labels).total

    entropy = -np.log((p * g).sum(axis=1))
    is_common = g[:, 0] == 1
    focal = np.mean(np.where(is_common, 0.4 * (1 - p[:, 0]) ** 0.25, 0.6) * entropy)
    tversky = np.mean((1 - _tversky(p, g, 0.6)) ** np.array([1, 0.75, 0.75]))
    assert value.item() == pytest.approx(0.3 * focal + 0.7 * tversky, rel=1e-5)


def test_focal_part_alone_without_focus_is_weighted_cross_entropy() -> None:
    """Weight 1 and gamma 0 leave delta times the cross-entropy."""
    logits, labels = labelled_example()

    value = small_loss("unified_focal", unified=(1.0, 0.6, 0.0))(logits, None, labels).total

    expected = 0.6 * small_loss("ce")(logits, None, labels).total
    assert value.item() == pytest.approx(expected.item(), rel=1e-6)


def test_tversky_part_alone_without_preference_is_dice() -> None:
    """Weight 0, delta 1/2 and gamma 0 leave Dice, but for half the smoothing."""
    logits, labels = labelled_example(num_images=40)

    value = small_loss("unified_focal", unified=(0.0, 0.5, 0.0))(logits, None, labels).total

    dice = small_loss("ce", weights=(0.0, 1.0, 0.0))(logits, None, labels).total
    assert value.item() == pytest.approx(dice.item(), rel=2e-3)


def test_classes_that_are_not_there_are_left_out() -> None:
    """A class without a labelled pixel in the batch does not count as a failure."""
    labels = torch.tensor([[[0, 0, 1, 1]]])
    logits = torch.full((1, 3, 1, 4), -50.0)
    logits[0, 0, 0, :2] = logits[0, 1, 0, 2:] = 50.0
    loss = build_loss(LossSpec("unified_focal"), pixel_counts=[1, 1, 1], num_patches=1)

    assert loss(logits, None, labels).total.item() == pytest.approx(0, abs=1e-3)
