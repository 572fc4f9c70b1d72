"""Laws that hold for every loss by name."""

import pytest
import torch
from torch import Tensor

from dfaseg.training.losses import LossName, LossSpec, build_loss, portions
from tests.losses import (
    ALL_LOSSES,
    PIXEL_COUNTS,
    labelled_example,
    small_loss,
    value_and_gradient,
)

EVERY_LOSS = pytest.mark.parametrize("name", ALL_LOSSES)
WITH_ALL_TERMS = (0.5, 0.3, 0.2)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@EVERY_LOSS
def test_ignored_pixels_get_exactly_zero_gradient(name: LossName) -> None:
    """What the network says where nothing is labelled has no part in learning."""
    logits, labels = labelled_example()

    _, gradient = value_and_gradient(small_loss(name, weights=WITH_ALL_TERMS), logits, labels)

    assert torch.all(gradient[:, :, :3] == 0)
    assert torch.all(gradient[:, :, 3:].abs().sum(dim=1) > 0)


@EVERY_LOSS
def test_ignored_pixels_do_not_change_the_loss(name: LossName) -> None:
    """The loss is that of the labelled pixels alone: ignored ones are in no denominator."""
    logits, labels = labelled_example()
    iou = torch.full((2, 3), 0.4)

    whole, gradient = value_and_gradient(
        small_loss(name, weights=WITH_ALL_TERMS), logits, labels, iou
    )
    cut, cut_gradient = value_and_gradient(
        small_loss(name, weights=WITH_ALL_TERMS), logits[:, :, 3:], labels[:, 3:], iou
    )

    torch.testing.assert_close(whole.terms, cut.terms)
    torch.testing.assert_close(gradient[:, :, 3:], cut_gradient)


@EVERY_LOSS
def test_batch_without_labels_costs_nothing(name: LossName) -> None:
    """A batch of ignored pixels gives a loss and a gradient of zero, not NaN."""
    logits, labels = labelled_example()

    value, gradient = value_and_gradient(
        small_loss(name, weights=WITH_ALL_TERMS),
        logits,
        torch.full_like(labels, 255),
        torch.rand(2, 3),
    )

    assert value.total == 0
    assert torch.all(gradient == 0)


@pytest.mark.parametrize("name", [n for n in ALL_LOSSES if n not in {"seesaw", "ohem"}])
def test_gradient_is_the_slope_of_the_loss(name: LossName) -> None:
    """A small step changes the loss as the gradient says; two losses hold weights constant."""
    logits, labels = labelled_example()
    loss = small_loss(name, weights=(0.5, 0.5, 0.0))
    direction = torch.randn(logits.shape, generator=torch.Generator().manual_seed(1))

    _, gradient = value_and_gradient(loss, logits, labels)
    step = 1e-2
    ahead = loss(logits + step * direction, None, labels).total
    behind = loss(logits - step * direction, None, labels).total

    slope = (ahead - behind).item() / (2 * step)
    assert slope == pytest.approx((gradient * direction).sum().item(), rel=2e-2, abs=1e-4)


@EVERY_LOSS
def test_learning_from_the_loss_finds_the_truth(name: LossName) -> None:
    """Steps down the gradient of the logits lead to the labels, whatever the loss."""
    _, labels = labelled_example()
    logits = torch.zeros(2, 3, 8, 8)
    loss = small_loss(name)

    for _ in range(40):
        logits -= 200 * value_and_gradient(loss, logits, labels)[1].clamp(-0.01, 0.01)

    assert torch.equal(logits.argmax(dim=1)[:, 3:], labels[:, 3:].long())


@EVERY_LOSS
@pytest.mark.parametrize("size", [1e4, -1e4])
def test_extreme_logits_give_finite_numbers(name: LossName, size: float) -> None:
    """Confident answers, right or wrong, overflow nothing."""
    _, labels = labelled_example()
    logits = torch.zeros(2, 3, 8, 8)
    logits[:, 0] = size

    value, gradient = value_and_gradient(small_loss(name, gamma=0.5), logits, labels)

    assert torch.isfinite(value.total)
    assert torch.isfinite(gradient).all()


@EVERY_LOSS
def test_logit_that_is_not_a_number_is_seen_in_the_loss(name: LossName) -> None:
    """A network that broke down is noticed, not passed over."""
    logits, labels = labelled_example()
    logits[0, 1, 5, 5] = float("nan")

    assert torch.isnan(small_loss(name)(logits, None, labels).total)


@EVERY_LOSS
def test_sure_and_right_answer_costs_nothing(name: LossName) -> None:
    """At the perfect answer the loss is 0 and has a finite gradient."""
    _, labels = labelled_example()
    one_hot = torch.zeros(2, 3, 8, 8).scatter_(1, labels.clamp(max=2).long()[:, None], 1)

    value, gradient = value_and_gradient(small_loss(name), 200 * (one_hot - 0.5), labels)

    # The floor under the unified loss's root leaves 1e-3.
    assert value.total.item() == pytest.approx(0, abs=1e-3)
    assert torch.isfinite(gradient).all()


@EVERY_LOSS
def test_single_class_can_be_learned(name: LossName) -> None:
    """A class map of one class gives finite numbers."""
    loss = build_loss(LossSpec(name, weights=WITH_ALL_TERMS), pixel_counts=[10], num_patches=1)
    logits, labels = torch.randn(2, 1, 4, 4), torch.zeros(2, 4, 4, dtype=torch.uint8)

    value, gradient = value_and_gradient(loss, logits, labels, torch.rand(2, 1))

    assert torch.isfinite(value.total)
    assert torch.isfinite(gradient).all()


@EVERY_LOSS
def test_class_that_is_nowhere_gives_finite_numbers(name: LossName) -> None:
    """A class without a pixel in split or batch has no frequency, and no logarithm is taken."""
    counts = (700, 0, 300)
    loss = build_loss(LossSpec(name, weights=WITH_ALL_TERMS), pixel_counts=counts, num_patches=4)
    logits, labels = labelled_example()
    labels[labels == 1] = 0

    value, gradient = value_and_gradient(loss, logits, labels, torch.rand(2, 3))

    assert torch.isfinite(value.total)
    assert torch.isfinite(gradient).all()


@EVERY_LOSS
def test_unseen_class_met_later_gives_finite_numbers(name: LossName) -> None:
    """A class that the training split lacks may still turn up in validation."""
    loss = build_loss(LossSpec(name), pixel_counts=(700, 0, 300), num_patches=4).eval()
    logits, labels = labelled_example()

    assert torch.isfinite(loss(logits, None, labels).total)


@EVERY_LOSS
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_scored_in_full_precision(
    name: LossName, dtype: torch.dtype
) -> None:
    """Rounding ends with the logits; their gradient has their type."""
    logits, labels = labelled_example()
    half = logits.to(dtype)

    value, gradient = value_and_gradient(small_loss(name), half, labels)
    full, _ = value_and_gradient(small_loss(name), half.float(), labels)

    assert value.total.dtype == torch.float32
    assert value.total == full.total
    assert gradient.dtype == dtype


@EVERY_LOSS
def test_loss_does_not_depend_on_the_portions(
    name: LossName, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Image by image or all at once: value and both gradients are the same."""
    logits, labels = labelled_example(num_images=5)
    logits = logits[:, :, ::2, ::2]  # coarser than the labels
    results = []

    for budget in (1, 2 * 3 * 64, 1 << 20):  # 1, 2 and all 5 images
        monkeypatch.setattr(portions, "_CPU_PORTION", budget)
        loss = small_loss(name, weights=WITH_ALL_TERMS)
        iou = torch.linspace(0, 1, 15).view(5, 3).requires_grad_()
        value, gradient = value_and_gradient(loss, logits, labels, iou)
        results.append((value.terms, value.total, gradient, iou.grad))

    torch.testing.assert_close(results[0], results[2])
    torch.testing.assert_close(results[1], results[2])


@EVERY_LOSS
def test_total_is_the_weighted_sum_of_the_terms(name: LossName) -> None:
    """Terms are reported before their weights and without gradient."""
    logits, labels = labelled_example()

    value = small_loss(name, weights=WITH_ALL_TERMS)(
        logits.requires_grad_(), torch.rand(2, 3), labels
    )

    assert list(value.terms) == ["pixel", "dice", "iou"]
    expected = 0.5 * value.terms["pixel"] + 0.3 * value.terms["dice"] + 0.2 * value.terms["iou"]
    assert value.total.item() == pytest.approx(expected.item())
    assert not any(term.requires_grad for term in value.terms.values())


def test_terms_without_weight_or_prediction_are_left_out() -> None:
    """A network that predicts no IoU is not asked for it."""
    logits, labels = labelled_example()

    assert list(small_loss("focal_dice")(logits, None, labels).terms) == ["pixel", "dice"]
    assert list(small_loss("ce")(logits, torch.rand(2, 3), labels).terms) == ["pixel"]


@EVERY_LOSS
def test_only_seesaw_has_state(name: LossName) -> None:
    """What follows from spec and data is not saved with a run; what was learned is."""
    state = small_loss(name, weights=WITH_ALL_TERMS).state_dict()

    assert bool(state) == (name == "seesaw")


@EVERY_LOSS
def test_order_of_memory_does_not_matter(name: LossName) -> None:
    """Logits of a network in channels-last order give the same numbers."""
    logits, labels = labelled_example()

    value, gradient = value_and_gradient(small_loss(name), logits, labels)
    other, other_gradient = value_and_gradient(
        small_loss(name), logits.to(memory_format=torch.channels_last), labels
    )

    assert torch.equal(value.total, other.total)
    assert torch.equal(gradient, other_gradient)


def _permuted(logits: Tensor, labels: Tensor, order: list[int]) -> tuple[Tensor, Tensor]:
    place = torch.full((256,), 255, dtype=torch.uint8)
    place[torch.tensor(order)] = torch.arange(len(order), dtype=torch.uint8)
    return logits[:, order], place[labels.long()]


@EVERY_LOSS
def test_loss_does_not_depend_on_the_order_of_the_classes(name: LossName) -> None:
    """Renumbering the classes everywhere changes nothing: no class is special."""
    logits, labels = labelled_example()
    order = [2, 0, 1]
    spec = LossSpec(name, weights=(0.5, 0.5, 0.0), ohem_min_pixels=1, unified_asymmetric=True)

    plain = build_loss(spec, pixel_counts=PIXEL_COUNTS, num_patches=4)
    renumbered = build_loss(spec, pixel_counts=[PIXEL_COUNTS[c] for c in order], num_patches=4)
    moved_logits, moved_labels = _permuted(logits, labels, order)

    value = plain(logits, None, labels).total
    other = renumbered(moved_logits, None, moved_labels).total

    torch.testing.assert_close(value, other)
