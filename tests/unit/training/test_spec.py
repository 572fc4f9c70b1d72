"""Training settings are checked once and travel as JSON."""

from typing import Any

import pytest

from dfaseg.errors import ConfigError
from dfaseg.training.spec import AugmentSpec, TrainSpec


def test_spec_survives_json() -> None:
    """What is written is read back equal."""
    spec = TrainSpec(dataset="ebhi", lr=3e-4, augment=AugmentSpec(scale=(0.5, 2.0), glass=0.0))

    assert TrainSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"augment": {"scale": [1, 1]}, "x": 1}'])
def test_unreadable_settings_are_refused(text: str) -> None:
    """Text that is no spec is one clear error."""
    with pytest.raises(ConfigError, match="training settings"):
        TrainSpec.from_json(text)


@pytest.mark.parametrize(
    "setting",
    [{"epochs": 0}, {"batch_size": 0}, {"lr": 0.0}, {"balance": 1.5}, {"ema_decay": -0.1},
     {"seed": -1}, {"decay_epochs": 0}, {"alpha": float("nan")}, {"weight_decay": -1.0},
     {"delta_lr_factor": float("inf")}],
    ids=lambda setting: next(iter(setting)),
)  # fmt: skip
def test_impossible_setting_is_refused(setting: dict[str, Any]) -> None:
    """A setting out of range names itself."""
    with pytest.raises(ConfigError, match=next(iter(setting))):
        TrainSpec(dataset="ebhi", **setting)


@pytest.mark.parametrize("setting", [{"scale": (0.0, 1.0)}, {"scale": (2.0, 1.0)}, {"glass": 2.0}])
def test_impossible_augmentation_is_refused(setting: dict[str, Any]) -> None:
    """Zooms must be positive and in order, shares between 0 and 1."""
    with pytest.raises(ConfigError):
        AugmentSpec(**setting)


def test_only_the_held_schedule_is_free_of_its_end() -> None:
    """A cosine depends on the number of epochs from the start; a held rate until it falls."""
    held = TrainSpec(dataset="ebhi", epochs=30, schedule="hold", decay_epochs=8)

    assert held.holds_until() == 22
    assert TrainSpec(dataset="ebhi", epochs=30).holds_until() == 0
