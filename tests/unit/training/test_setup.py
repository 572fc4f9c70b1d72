"""What runs start from: the same weights in every bias mode, and nothing impossible."""

import dataclasses
from typing import get_args

import pytest
import torch

from dfaseg.errors import ConfigError
from dfaseg.model.class_bias import BiasMode
from dfaseg.training.device import choose_placement
from dfaseg.training.setup import build_state, check_patch
from dfaseg.training.spec import BiasSpec, NetworkSpec, OptimiserSpec, TrainSpec
from dfaseg.training.state import TrainState

SPEC = TrainSpec(dataset="ebhi", network=NetworkSpec(preset="tiny"))
COUNTS = (700, 200, 100)


def _state(spec: TrainSpec) -> TrainState:
    return build_state(spec, COUNTS, 10, choose_placement("cpu", "fp32"))


@pytest.mark.parametrize("mode", get_args(BiasMode))
def test_all_modes_start_from_the_same_weights(mode: BiasMode) -> None:
    """With the same seed, only the class bias tells one mode from another."""
    baseline = (0.9, 0.6, 0.4)
    plain = _state(dataclasses.replace(SPEC, bias=BiasSpec(mode="none"))).network
    chosen = _state(
        dataclasses.replace(SPEC, bias=BiasSpec(mode=mode, baseline_dice=baseline))
    ).network

    expected = plain.state_dict()
    for name, tensor in chosen.state_dict().items():
        assert name.startswith("class_bias.") or torch.equal(tensor, expected[name]), name


def test_other_seed_starts_from_other_weights() -> None:
    """Seeds differ, so weights do."""
    first, second = (_state(dataclasses.replace(SPEC, seed=s)).network for s in (0, 1))

    assert not torch.equal(first.mask_decoder.class_tokens, second.mask_decoder.class_tokens)


def test_bias_settings_reach_the_network() -> None:
    """Prior, alpha and gamma decide where delta starts."""
    spec = BiasSpec(mode="dfa", prior="inverse", alpha=0.3)

    delta = _state(dataclasses.replace(SPEC, bias=spec)).network.class_bias.delta

    prior = -torch.tensor(COUNTS, dtype=torch.float64).div(1000).log()
    assert delta.tolist() == pytest.approx((0.3 * (prior - prior.mean())).tolist(), abs=1e-6)


@pytest.mark.parametrize(
    ("scope", "shape"), [("shared", (3,)), ("layer", (2, 3)), ("head", (2, 2, 3))]
)
def test_scope_reaches_the_network(scope: str, shape: tuple[int, ...]) -> None:
    """Layers and heads have their own bias where that is wanted."""
    spec = BiasSpec(scope=scope)  # type: ignore[arg-type]  # of the table above

    assert _state(dataclasses.replace(SPEC, bias=spec)).network.class_bias.delta.shape == shape


def test_average_is_a_copy_only_where_it_is_wanted() -> None:
    """Without averaging the network itself is scored."""
    off = dataclasses.replace(SPEC, optimiser=OptimiserSpec(ema_decay=0))

    with_average, without = _state(SPEC), _state(off)

    assert with_average.average is not with_average.network
    assert without.average is without.network


def test_frozen_encoder_is_not_optimised() -> None:
    """Frozen weights are in no group of the optimiser."""
    spec = NetworkSpec(preset="tiny", freeze_encoder=True)
    state = _state(dataclasses.replace(SPEC, network=spec))

    moved = {id(p) for group in state.optimiser.param_groups for p in group["params"]}
    assert moved
    assert not moved & {id(p) for p in state.network.encoder.parameters()}


def test_patch_that_does_not_fit_is_refused() -> None:
    """The side must be a multiple of the network's coarsest stride."""
    with pytest.raises(ConfigError, match=r"patch of 100 px.*multiple of 32 px.*--patch-size"):
        check_patch(SPEC, _state(SPEC).network, 100, processes=1)


def test_batch_that_cannot_be_shared_is_refused() -> None:
    """Every process takes an equal share."""
    with pytest.raises(
        ConfigError, match=r"batch of 24 patches.*5 processes in 1 part each; change"
    ):
        check_patch(SPEC, _state(SPEC).network, 64, processes=5)
