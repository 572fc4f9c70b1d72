"""Seesaw loss: both factors, counts that grow, state that survives."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from dfaseg.training.losses import SegmentationLoss
from tests.losses import labelled_example, small_loss, value_and_gradient


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def _counts(loss: SegmentationLoss) -> Tensor:
    return next(iter(loss.state_dict().values()))


def _expected(logits: Tensor, labels: Tensor, counts: list[int], p: float, q: float) -> float:
    """Return the mean of the paper's equations 3 to 6 over the labelled pixels, by loops."""
    losses = []
    for image, row, column in (labels != 255).nonzero().tolist():
        powers = np.exp(logits[image, :, row, column].double().numpy())
        probability = powers / powers.sum()
        i = int(labels[image, row, column])
        below = 0.0
        for j in range(len(powers)):
            mitigation = (counts[j] / counts[i]) ** p if counts[i] > counts[j] else 1.0
            is_mistaken = probability[j] > probability[i]
            compensation = (probability[j] / probability[i]) ** q if is_mistaken else 1.0
            below += powers[j] * (1.0 if i == j else mitigation * compensation)
        losses.append(-math.log(powers[i] / below))
    return sum(losses) / len(losses)


@pytest.mark.parametrize(("p", "q"), [(0.8, 2.0), (0.0, 2.0), (0.8, 0.0), (1.5, 0.5)])
def test_seesaw_equals_its_formula(p: float, q: float) -> None:
    """With the counts of the batch itself, the first there is."""
    logits, labels = labelled_example()
    counts = torch.bincount(labels[labels != 255].long()).tolist()

    value = small_loss("seesaw", seesaw=(p, q))(logits, None, labels).total

    assert value.item() == pytest.approx(_expected(logits, labels, counts, p, q), rel=1e-5)


def test_rare_class_is_pushed_down_less() -> None:
    """Worked by hand: 3 pixels of class 0 and 1 of class 1, equal logits, p = 1."""
    labels = torch.tensor([[[0, 0, 0, 1]]])

    value, gradient = value_and_gradient(
        small_loss("seesaw", seesaw=(1.0, 2.0)), torch.zeros(1, 3, 1, 4), labels
    )

    # Class 2 has no pixel and counts as one: its weight against class 0 is 1/3, like class 1's.
    of_class_0, of_class_1 = math.log(1 + 1 / 3 + 1 / 3), math.log(3)
    assert value.total.item() == pytest.approx((3 * of_class_0 + of_class_1) / 4)
    assert gradient[0, 1, 0, 0].item() == pytest.approx((1 / 3) / (5 / 3) / 4)


def test_seesaw_without_exponents_is_cross_entropy() -> None:
    """Both factors are then 1."""
    logits, labels = labelled_example()

    value = small_loss("seesaw", seesaw=(0.0, 0.0))(logits, None, labels).total

    assert value.item() == pytest.approx(small_loss("ce")(logits, None, labels).total.item())


def test_factors_are_held_constant() -> None:
    """The gradient is that of a softmax with fixed weights: per pixel it sums to zero."""
    logits, labels = labelled_example()

    _, gradient = value_and_gradient(small_loss("seesaw"), logits, labels)

    torch.testing.assert_close(gradient.sum(dim=1), torch.zeros(2, 8, 8), atol=1e-7, rtol=0)


def test_counts_grow_with_every_batch_learned_from() -> None:
    """Ignored pixels are not counted, and a pixel is counted once though summed twice."""
    logits, labels = labelled_example()
    loss = small_loss("seesaw")
    once = torch.bincount(labels[labels != 255].long())

    for _ in range(3):
        value_and_gradient(loss, logits, labels)

    assert torch.equal(_counts(loss), 3 * once)


def test_counts_stand_still_in_evaluation() -> None:
    """Validation teaches nothing."""
    logits, labels = labelled_example()
    loss = small_loss("seesaw").eval()

    loss(logits, None, labels)

    assert torch.all(_counts(loss) == 0)


def test_resumed_loss_goes_on_with_its_counts() -> None:
    """A run that is stopped and resumed learns from the same loss as one that is not."""
    (logits, labels), (later, later_labels) = labelled_example(0), labelled_example(1)
    labels[labels == 2] = 0
    whole = small_loss("seesaw")
    whole(logits, None, labels)

    resumed = small_loss("seesaw")
    resumed.load_state_dict(whole.state_dict())

    fresh = small_loss("seesaw")(later, None, later_labels).total
    assert resumed(later, None, later_labels).total == whole(later, None, later_labels).total
    assert resumed(later, None, later_labels).total != fresh
