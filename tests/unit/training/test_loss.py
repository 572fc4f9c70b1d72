"""Loss terms: right values, and nothing from ignored pixels."""

import pytest
import torch
from torch import Tensor

from dfaseg.training.loss import (
    cross_entropy,
    iou_error,
    prepare_truth,
    segmentation_loss,
    sigmoid_focal,
    soft_dice,
    upsample,
)
from dfaseg.training.spec import LossName


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def _example(seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 3, 8, 8, generator=generator)
    labels = torch.randint(0, 3, (2, 8, 8), generator=generator).to(torch.uint8)
    labels[:, :3] = 255
    return logits, labels


@pytest.mark.parametrize("name", ["focal_dice", "ce_dice"])
def test_ignored_pixels_get_exactly_zero_gradient(name: LossName) -> None:
    """What the network says where nothing is labelled has no part in learning."""
    logits, labels = _example()
    logits.requires_grad_()

    segmentation_loss(logits, None, labels, name=name).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped

    assert logits.grad is not None
    assert torch.all(logits.grad[:, :, :3] == 0)
    assert torch.all(logits.grad[:, :, 3:] != 0)


@pytest.mark.parametrize("name", ["focal_dice", "ce_dice"])
def test_ignored_pixels_do_not_change_the_loss(name: LossName) -> None:
    """The loss is that of the labelled pixels alone: ignored ones are in no denominator."""
    logits, labels = _example()

    whole = segmentation_loss(logits, None, labels, name=name)
    cut = segmentation_loss(logits[:, :, 3:], None, labels[:, 3:], name=name)

    assert whole.item() == pytest.approx(cut.item(), rel=1e-6)


def test_focal_loss_equals_its_formula() -> None:
    """Mean of -(1 - p_t)^2 log p_t over labelled pixels and classes."""
    logits, labels = _example()

    loss = sigmoid_focal(logits, prepare_truth(labels, 3), gamma=2.0)

    probability = torch.sigmoid(logits[:, :, 3:].double())
    is_class = torch.nn.functional.one_hot(labels[:, 3:].long(), 3).permute(0, 3, 1, 2).bool()
    right = torch.where(is_class, probability, 1 - probability)
    assert loss.item() == pytest.approx((-((1 - right) ** 2) * right.log()).mean().item(), rel=1e-5)


def test_focal_loss_without_focus_is_binary_cross_entropy() -> None:
    """With gamma 0 the modulating factor is 1."""
    logits, labels = _example()
    truth = prepare_truth(labels, 3)

    loss = sigmoid_focal(logits, truth, gamma=0.0)

    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        logits[:, :, 3:], truth.one_hot[:, :, 3:]
    )
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_focal_loss_stays_finite_for_extreme_logits() -> None:
    """Confident mistakes give a large loss and a finite gradient."""
    logits = torch.full((1, 2, 4, 4), 1e4, requires_grad=True)

    loss = sigmoid_focal(logits, prepare_truth(torch.zeros(1, 4, 4, dtype=torch.uint8), 2))
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped

    assert logits.grad is not None
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


def test_cross_entropy_equals_torch() -> None:
    """The cross-entropy is torch's own with 255 ignored."""
    logits, labels = _example()

    loss = cross_entropy(logits, prepare_truth(labels, 3))

    expected = torch.nn.functional.cross_entropy(logits, labels.long(), ignore_index=255)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_dice_is_near_zero_for_a_sure_and_right_answer() -> None:
    """A perfect prediction costs nothing."""
    _, labels = _example()
    truth = prepare_truth(labels, 3)

    assert soft_dice(truth.one_hot * 100, truth).item() == pytest.approx(0, abs=1e-5)


def test_dice_leaves_out_classes_that_are_not_there() -> None:
    """A class without a labelled pixel in the batch does not count as a failure."""
    labels = torch.zeros(1, 8, 8, dtype=torch.uint8)
    labels[:, :4] = 1
    truth = prepare_truth(labels, 3)

    assert soft_dice(truth.one_hot * 100, truth).item() == pytest.approx(0, abs=1e-5)


def test_batch_without_labels_costs_nothing() -> None:
    """A batch of ignored pixels gives a loss and a gradient of zero, not NaN."""
    logits = torch.randn(1, 3, 8, 8, requires_grad=True)
    labels = torch.full((1, 8, 8), 255, dtype=torch.uint8)

    loss = segmentation_loss(logits, torch.zeros(1, 3), labels)
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped

    assert logits.grad is not None
    assert loss.item() == 0
    assert torch.all(logits.grad == 0)


def test_iou_error_is_zero_for_the_true_iou() -> None:
    """The IoU term compares with the IoU of the predicted mask, class by class."""
    labels = torch.tensor([[[0, 0, 1, 1]]], dtype=torch.uint8)
    logits = torch.zeros(1, 3, 1, 4)
    logits[0, 0, 0, :3] = 5.0
    logits[0, 1, 0, 3] = 5.0
    truth = prepare_truth(labels, 3)

    right = iou_error(logits, torch.tensor([[2 / 3, 1 / 2, 0.9]]), truth)
    wrong = iou_error(logits, torch.tensor([[2 / 3, 1.0, 0.9]]), truth)

    assert right.item() == pytest.approx(0, abs=1e-12)
    assert wrong.item() == pytest.approx(0.125)


def test_logits_are_compared_at_the_resolution_of_the_label() -> None:
    """A coarse map is upsampled before it is scored; the label is never shrunk."""
    logits = torch.randn(1, 3, 2, 2)
    labels = torch.randint(0, 3, (1, 8, 8), dtype=torch.uint8)

    loss = segmentation_loss(logits, None, labels)

    fine = segmentation_loss(upsample(logits, 8, 8), None, labels)
    assert loss.item() == pytest.approx(fine.item())
