"""Training settings are checked once, when they are made."""

from typing import Any

import pytest

from dfaseg.errors import ConfigError
from dfaseg.training.spec import AugmentSpec, BiasSpec, OptimiserSpec, TrainSpec


@pytest.mark.parametrize(
    "setting",
    [{"epochs": 0}, {"batch_size": 0}, {"accumulate": 0}, {"balance": 1.5}, {"seed": -1},
     {"patience": -1}, {"mpp": float("nan")}, {"patch_px": -32}],
    ids=lambda setting: next(iter(setting)),
)  # fmt: skip
def test_impossible_setting_is_refused(setting: dict[str, Any]) -> None:
    """A setting out of range names itself."""
    with pytest.raises(ConfigError, match=f"training.{next(iter(setting))}"):
        TrainSpec(dataset="ebhi", **setting)


@pytest.mark.parametrize(
    "setting",
    [{"lr": 0.0}, {"weight_decay": -1.0}, {"decay_epochs": 0}, {"warmup_epochs": -1.0},
     {"ema_decay": -0.1}],
    ids=lambda setting: next(iter(setting)),
)  # fmt: skip
def test_impossible_optimiser_is_refused(setting: dict[str, Any]) -> None:
    """Rates must be above 0, lengths not below."""
    with pytest.raises(ConfigError, match=f"optimiser.{next(iter(setting))}"):
        OptimiserSpec(**setting)


@pytest.mark.parametrize(
    "setting",
    [{"alpha": float("nan")}, {"gamma": -1.0}, {"lr_factor": float("inf")}, {"clip": 0.0},
     {"l2": -1.0}],
    ids=lambda setting: next(iter(setting)),
)  # fmt: skip
def test_impossible_bias_is_refused(setting: dict[str, Any]) -> None:
    """Strengths must be finite and not negative."""
    with pytest.raises(ConfigError, match=f"bias.{next(iter(setting))}"):
        BiasSpec(**setting)


@pytest.mark.parametrize("setting", [{"scale": (0.0, 1.0)}, {"scale": (2.0, 1.0)}, {"glass": 2.0}])
def test_impossible_augmentation_is_refused(setting: dict[str, Any]) -> None:
    """Zooms must be positive and in order, shares between 0 and 1."""
    with pytest.raises(ConfigError):
        AugmentSpec(**setting)


def test_batch_must_be_divisible_by_its_parts() -> None:
    """A batch goes through the network in equal parts."""
    with pytest.raises(ConfigError, match="5 equal parts"):
        TrainSpec(dataset="ebhi", batch_size=24, accumulate=5)


def test_only_the_held_schedule_is_free_of_its_end() -> None:
    """A cosine depends on the number of epochs from the start; a held rate until it falls."""
    optimiser = OptimiserSpec(schedule="hold", decay_epochs=8)
    held = TrainSpec(dataset="ebhi", epochs=30, optimiser=optimiser)

    assert held.holds_until() == 22
    assert TrainSpec(dataset="ebhi", epochs=30).holds_until() == 0
