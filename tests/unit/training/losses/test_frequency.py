"""What is made of pixel counts: weights, logarithms, the shift of predictions."""

import math

import pytest
import torch

from dfaseg.errors import ConfigError
from dfaseg.training.losses import LossSpec, build_loss, logit_shift
from dfaseg.training.losses.frequency import (
    effective_number_weights,
    is_rare,
    log_frequencies,
)


def test_weights_follow_the_pixels_per_patch() -> None:
    """1 / (1 - 0.9999^n) with n = 20000 and 500 pixels per patch, scaled to sum to 2."""
    weights = effective_number_weights([2_000_000, 50_000], num_patches=100, beta=0.9999)

    inverse = [1 / (1 - 0.9999**20_000), 1 / (1 - 0.9999**500)]
    expected = [2 * value / sum(inverse) for value in inverse]
    assert weights.tolist() == pytest.approx(expected)
    assert weights[1] / weights[0] == pytest.approx(17.7, abs=0.1)


def test_weights_would_be_level_if_every_pixel_of_the_split_counted() -> None:
    """Why pixels are counted per patch: in millions the effective number is saturated."""
    weights = effective_number_weights([2_000_000, 300_000], num_patches=1, beta=0.9999)

    assert weights.tolist() == pytest.approx([1.0, 1.0])


def test_weights_of_few_pixels_are_inverse_frequencies() -> None:
    """Where nothing is redundant yet, the effective number is the number."""
    weights = effective_number_weights([3, 1], num_patches=100, beta=0.9999)

    assert weights.tolist() == pytest.approx([0.5, 1.5], rel=1e-4)


def test_class_that_never_occurs_has_no_weight() -> None:
    """It takes nothing from the scale of the others."""
    weights = effective_number_weights([100, 0, 100], num_patches=1, beta=0.9)

    assert weights.tolist() == [1.0, 0.0, 1.0]


def test_log_frequencies_are_natural_logarithms_of_shares() -> None:
    """Counts are divided by all labelled pixels."""
    assert log_frequencies([1, 3]).tolist() == pytest.approx([math.log(0.25), math.log(0.75)])


def test_class_that_never_occurs_gets_the_mean_logarithm() -> None:
    """Neither favoured nor suppressed: the network learns by itself that it is not there."""
    logs = log_frequencies([1, 0, 3])

    assert logs[1].item() == pytest.approx((math.log(0.25) + math.log(0.75)) / 2)


def test_shift_favours_rare_classes_at_prediction() -> None:
    """-tau log f, to be added to the logits."""
    shift = logit_shift(LossSpec("logit_adjusted_posthoc", tau=2.0), pixel_counts=[1, 3])

    assert shift is not None
    assert shift.tolist() == pytest.approx([-2 * math.log(0.25), -2 * math.log(0.75)])


def test_shift_turns_the_answer_of_frequencies_into_a_tie() -> None:
    """A network that only knows how frequent classes are is left without an opinion."""
    shift = logit_shift(LossSpec("logit_adjusted_posthoc"), pixel_counts=[5, 90, 5])

    assert shift is not None
    torch.testing.assert_close(log_frequencies([5, 90, 5]) + shift, torch.zeros(3))


def test_other_losses_shift_nothing() -> None:
    """Train-time adjustment predicts with the logits as they are."""
    assert logit_shift(LossSpec("logit_adjusted"), pixel_counts=[1, 3]) is None


def test_rare_classes_have_less_than_an_equal_share() -> None:
    """With three classes the border is a third, which is not rare itself."""
    assert is_rare([50, 30, 20]).tolist() == [False, True, True]
    assert is_rare([10, 10, 10]).tolist() == [False, False, False]


@pytest.mark.parametrize("counts", [[0, 0], [-1, 2], [math.inf, 1]])
def test_impossible_counts_are_refused(counts: list[int]) -> None:
    """A split without labelled pixels has no frequencies."""
    with pytest.raises(ConfigError, match="pixel counts"):
        log_frequencies(counts)


def test_loss_without_classes_or_patches_is_refused() -> None:
    """Both mean that something went wrong before."""
    with pytest.raises(ConfigError, match="no class"):
        build_loss(LossSpec(), pixel_counts=[], num_patches=1)
    with pytest.raises(ConfigError, match="0 patches"):
        build_loss(LossSpec("class_balanced"), pixel_counts=[1], num_patches=0)
