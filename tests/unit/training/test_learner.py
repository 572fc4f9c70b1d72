"""Losses are averaged over an epoch, and the first that is no number is found."""

import math

import pytest
import torch

from dfaseg.training.learner import LossMeter
from dfaseg.training.losses.segmentation import LossValue


def _value(total: float, pixel: float = 0.0) -> LossValue:
    return LossValue(torch.tensor(total), {"pixel": torch.tensor(pixel)})


def test_means_are_over_all_steps() -> None:
    """Loss and terms, each for itself."""
    meter = LossMeter(torch.device("cpu"))

    problems = [meter.add(_value(*pair)) for pair in ((1.0, 4.0), (2.0, 6.0))]

    assert problems == [None, None]
    assert meter.means() == (1.5, {"pixel": 5.0})
    assert meter.last == 2.0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_first_bad_step_is_named(bad: float) -> None:
    """At once on a CPU, where looking costs nothing."""
    meter = LossMeter(torch.device("cpu"))

    assert meter.add(_value(1.0)) is None
    assert meter.add(_value(bad)) == 1


def test_gpu_losses_are_looked_at_now_and_then() -> None:
    """Waiting for each would idle the GPU; the step that went wrong is found all the same."""
    meter = LossMeter(torch.device("cpu"))
    meter._steps_between_looks = 4

    problems = [meter.add(_value(math.nan if step == 1 else 1.0)) for step in range(4)]

    assert problems == [None, None, None, 1]
    assert meter.look() is None


def test_empty_epoch_has_nothing_to_average() -> None:
    """Looking before the first step finds nothing."""
    assert LossMeter(torch.device("cpu")).look() is None
