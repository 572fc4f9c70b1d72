"""Region terms: Dice of the softmax and the error of the predicted IoU."""

import numpy as np
import pytest
import torch
from torch import Tensor

from dfaseg.training.losses import SegmentationLoss
from tests.losses import labelled_example, small_loss

DICE_ALONE = (0.0, 1.0, 0.0)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def _dice() -> SegmentationLoss:
    return small_loss("ce", weights=DICE_ALONE)


def test_dice_equals_numbers_worked_by_hand() -> None:
    """Two pixels of class 0, two of class 1, all probabilities 1/3, one pixel of smoothing."""
    labels = torch.tensor([[[0, 0, 1, 1]]])

    value = _dice()(torch.zeros(1, 3, 1, 4), None, labels).total

    # In both 2/3, in the mask 4/3, in the truth 2; the third class is not there.
    assert value.item() == pytest.approx(1 - (4 / 3 + 1) / (10 / 3 + 1))


def test_dice_equals_its_formula() -> None:
    """One ratio per class over all labelled pixels of the batch."""
    logits, labels = labelled_example()
    is_valid = labels != 255
    p = logits.double().softmax(dim=1).movedim(1, -1)[is_valid].numpy()
    g = np.eye(3)[labels[is_valid].numpy()]

    value = _dice()(logits, None, labels).total

    dice = (2 * (p * g).sum(axis=0) + 1) / (p.sum(axis=0) + g.sum(axis=0) + 1)
    assert value.item() == pytest.approx(np.mean(1 - dice), rel=1e-5)


def test_dice_leaves_out_classes_that_are_not_there() -> None:
    """A class without a labelled pixel in the batch does not count as a failure."""
    labels = torch.tensor([[[0, 0, 1, 1]]])
    logits = torch.full((1, 3, 1, 4), -50.0)
    logits[0, 0, 0, :2] = logits[0, 1, 0, 2:] = 50.0

    assert _dice()(logits, None, labels).total.item() == pytest.approx(0, abs=1e-6)


def _iou_example() -> tuple[Tensor, Tensor]:
    labels = torch.tensor([[[0, 0, 1, 1]]])
    logits = torch.zeros(1, 3, 1, 4)
    logits[0, 0, 0, :3] = 5.0
    logits[0, 1, 0, 3] = 5.0
    return logits, labels


def test_iou_error_equals_numbers_worked_by_hand() -> None:
    """The masks' IoUs are 2/3 and 1/2; the third class is in neither truth nor mask."""
    logits, labels = _iou_example()
    loss = small_loss("focal_dice")

    right = loss(logits, torch.tensor([[2 / 3, 1 / 2, 0.9]]), labels).terms["iou"]
    wrong = loss(logits, torch.tensor([[2 / 3, 1.0, 0.9]]), labels).terms["iou"]

    assert right.item() == pytest.approx(0, abs=1e-12)
    assert wrong.item() == pytest.approx(0.125)


def test_iou_error_teaches_the_estimate_and_not_the_mask() -> None:
    """The prediction of quality must not be made true by making the mask worse."""
    logits, labels = _iou_example()
    estimate = torch.full((1, 3), 0.5, requires_grad=True)
    logits.requires_grad_()
    loss = small_loss("focal_dice", weights=(0.0, 1e-30, 1.0))

    loss(logits, estimate, labels).total.backward()

    assert estimate.grad is not None
    assert logits.grad is not None
    assert estimate.grad.tolist() == [[pytest.approx(-1 / 6), 0.0, 0.0]]
    assert logits.grad.abs().max() < 1e-20


def test_each_image_has_its_own_iou() -> None:
    """The estimate is one per image and class, and so is the truth."""
    logits, labels = _iou_example()
    swapped = logits[:, [1, 0, 2]]

    value = small_loss("focal_dice")(
        torch.cat([logits, swapped]), torch.zeros(2, 3), torch.cat([labels, labels])
    )

    # Swapped, the masks {3} and {0, 1, 2} meet the truths {0, 1} and {2, 3}.
    expected = ((2 / 3) ** 2 + (1 / 2) ** 2 + 0 + (1 / 4) ** 2) / 4
    assert value.terms["iou"].item() == pytest.approx(expected)
