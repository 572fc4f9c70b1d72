"""Delta has its own rules; schedules have the right shape; averages follow."""

import dataclasses

import pytest
import torch
from torch import nn

from dfaseg.training.optimiser import (
    build_optimiser,
    clip_gradients,
    learning_rate_factor,
    set_learning_rate,
    update_average,
)
from dfaseg.training.spec import OptimiserSpec, ScheduleName, TrainSpec

SPEC = TrainSpec(dataset="ebhi", epochs=10, optimiser=OptimiserSpec(lr=0.01, weight_decay=0.1))


class _Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.delta = nn.Parameter(torch.ones(2))


def test_delta_has_its_own_rate_and_no_decay() -> None:
    """Delta learns 20 times faster and is not pulled to zero; matrices alone are."""
    network = _Network()

    matrices, vectors, delta = build_optimiser(network, [network.delta], SPEC).param_groups

    assert [len(group["params"]) for group in (matrices, vectors, delta)] == [1, 1, 1]
    assert [group["weight_decay"] for group in (matrices, vectors, delta)] == [0.1, 0.0, 0.0]
    assert delta["lr"] == pytest.approx(0.2)


def test_schedule_leaves_delta_alone() -> None:
    """Warm-up and decay act on the network only."""
    network = _Network()
    optimiser = build_optimiser(network, [network.delta], SPEC)

    set_learning_rate(optimiser, 0.1, SPEC.optimiser)

    assert [group["lr"] for group in optimiser.param_groups] == pytest.approx([0.001, 0.001, 0.2])


def test_network_without_delta_can_be_optimised() -> None:
    """Bias modes that learn nothing have an empty third group."""
    network = nn.Linear(2, 2)
    optimiser = build_optimiser(network, [], SPEC)
    network(torch.ones(1, 2)).sum().backward()

    clip_gradients(optimiser, SPEC.bias)
    optimiser.step()

    assert optimiser.param_groups[-1]["params"] == []


def test_gradient_of_delta_is_clipped_by_itself() -> None:
    """A large gradient of delta is cut to 0.5 and does not shrink the network's."""
    network = _Network()
    optimiser = build_optimiser(network, [network.delta], SPEC)
    network.delta.grad = torch.tensor([30.0, 40.0])
    network.layer.weight.grad = torch.full((2, 3), 0.1)

    clip_gradients(optimiser, SPEC.bias)

    assert network.delta.grad.norm().item() == pytest.approx(0.5, rel=1e-4)
    assert network.layer.weight.grad == pytest.approx(torch.full((2, 3), 0.1))


@pytest.mark.parametrize(
    ("schedule", "step", "expected"),
    [
        ("cosine", 0, 1 / 11),
        ("cosine", 9, 10 / 11),
        ("cosine", 55, 0.5),
        ("cosine", 100, 0.0),
        ("steps", 50, 1.0),
        ("steps", 75, 0.1),
        ("steps", 90, 0.01),
        ("hold", 69, 1.0),
        ("hold", 85, 0.5),
        ("hold", 100, 0.0),
    ],
)
def test_schedule_has_the_right_shape(schedule: ScheduleName, step: int, expected: float) -> None:
    """Linear warm-up over one epoch of 10 steps, then the chosen course over 10 epochs."""
    course = dataclasses.replace(SPEC.optimiser, schedule=schedule, decay_epochs=3)
    spec = dataclasses.replace(SPEC, optimiser=course)

    assert learning_rate_factor(step, 10, spec) == pytest.approx(expected, abs=1e-9)


def test_average_moves_towards_the_network() -> None:
    """The average keeps ``decay`` of itself, less in the first steps; counters are copied."""
    average, network = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
    nn.init.constant_(network.weight, 2.0)
    network.running_mean.fill_(1.0)  # type: ignore[union-attr]  # batch norm tracks its mean
    network.num_batches_tracked.fill_(7)  # type: ignore[union-attr]  # and counts batches

    update_average(average, network, decay=0.9, step=0)
    early = average.weight.item()
    update_average(average, network, decay=0.9, step=10_000)

    assert early == pytest.approx(1.9)
    assert average.weight.item() == pytest.approx(1.91)
    assert average.state_dict()["running_mean"].item() == pytest.approx(0.91)
    assert average.state_dict()["num_batches_tracked"].item() == 7
