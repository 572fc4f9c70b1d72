"""A setting that was asked for and does nothing is told, and no other."""

import dataclasses
from itertools import product
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from dfaseg.cli.train import train
from dfaseg.model.build import build_segmenter, preset_spec
from dfaseg.model.class_bias import BiasMode, ClassBias
from dfaseg.model.prior import PriorKind
from dfaseg.training.idle_settings import _NEEDS, idle_settings
from dfaseg.training.spec import BiasSpec, OptimiserSpec, TrainSpec

MODES = get_args(BiasMode)
PRIORS = get_args(PriorKind)
SPEC = TrainSpec(dataset="synthetic")


def _bias(spec: BiasSpec) -> Tensor:
    """Return b before training."""
    built = build_segmenter(
        preset_spec("tiny", num_classes=3, bias_mode=spec.mode),
        pixel_frequencies=(0.7, 0.2, 0.1),
        baseline_dice=(0.9, 0.6, 0.4),
        prior=spec.prior,
        alpha=spec.alpha,
        gamma=spec.gamma,
    )
    return built.class_bias.bias().detach()


@pytest.mark.parametrize(("mode", "prior"), list(product(MODES, PRIORS)))
def test_what_shapes_the_prior_is_idle_where_b_stays_the_same(
    mode: BiasMode, prior: PriorKind
) -> None:
    """The table is held against the network that is built."""
    spec = BiasSpec(mode=mode, prior=prior)
    other = "inverse" if prior == "focal" else "focal"
    changes: dict[str, Any] = {"prior": other, "alpha": 0.3, "gamma": 1.5}

    for name, value in changes.items():
        is_idle = torch.equal(_bias(spec), _bias(dataclasses.replace(spec, **{name: value})))
        told = idle_settings(dataclasses.replace(SPEC, bias=spec), [f"bias.{name}"])
        assert bool(told) == is_idle, name


@pytest.mark.parametrize("mode", MODES)
def test_what_guides_delta_is_idle_where_delta_is_not_learned(mode: BiasMode) -> None:
    """Its rate, clipping and decay, and whether layers have their own."""
    bias = ClassBias(num_classes=2, mode=mode, scope="shared", num_layers=1, num_heads=1)
    names = [f"bias.{name}" for name in ("scope", "lr_factor", "clip", "l2")]

    told = idle_settings(dataclasses.replace(SPEC, bias=BiasSpec(mode=mode)), names)

    assert len(told) == (0 if bias.learned else 4)


@pytest.mark.parametrize("mode", MODES)
def test_baseline_is_a_prior_or_stands_beside_delta(mode: BiasMode) -> None:
    """Else its Dice is neither learned from nor drawn."""
    told = idle_settings(
        dataclasses.replace(SPEC, bias=BiasSpec(mode=mode)), ["bias.baseline_dice"]
    )

    assert bool(told) == (mode in {"none", "cffa", "frozen_init"})


def test_fall_needs_the_schedule_that_has_one() -> None:
    """The message says option and need."""
    held = dataclasses.replace(SPEC, optimiser=OptimiserSpec(schedule="hold"))
    names = ["optimiser.decay_epochs", "optimiser.lr"]

    assert idle_settings(SPEC, names) == ["--decay-epochs (needs --schedule hold)"]
    assert idle_settings(held, names) == []


def test_options_are_those_of_the_command() -> None:
    """A message must not name an option that is called otherwise."""
    options = {option.name: option.opts for option in train.params}

    for name, need in _NEEDS.items():
        parameter = "baseline" if name == "bias.baseline_dice" else name.replace(".", "__")
        assert need.option in options[parameter]
