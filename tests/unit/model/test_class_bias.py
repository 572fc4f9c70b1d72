"""Priors, warm start and the seven bias modes."""

import math

import pytest
import torch

from dfaseg.errors import ConfigError
from dfaseg.model.class_bias import BIAS_RULES, BiasMode, BiasScope, ClassBias
from dfaseg.model.prior import (
    PriorKind,
    class_log_prior,
    focal_log_prior,
    hard_class_log_prior,
    inverse_log_prior,
    warm_start,
)

FREQUENCIES = (0.078, 0.398, 0.347, 0.097, 0.080)
LOG_PRIOR = torch.tensor([-0.1624, -1.0150, -0.8524, -0.2041, -0.1668])
DELTA0 = torch.tensor([0.1589, -0.2674, -0.1861, 0.1380, 0.1567])


def make_bias(mode: BiasMode, scope: BiasScope = "shared") -> ClassBias:
    """Build a started bias of five classes, two layers and three heads."""
    class_bias = ClassBias(num_classes=5, mode=mode, scope=scope, num_layers=2, num_heads=3)
    log_prior = focal_log_prior(FREQUENCIES)
    class_bias.start_from(log_prior, warm_start(log_prior, FREQUENCIES, alpha=0.5))
    return class_bias


def test_focal_prior_gives_worked_numbers() -> None:
    """Gamma * log(1 - f) of the worked example."""
    torch.testing.assert_close(focal_log_prior(FREQUENCIES), LOG_PRIOR, atol=1e-4, rtol=0)


def test_warm_start_gives_worked_numbers() -> None:
    """Alpha times the deviation from the mean, of the worked example."""
    delta = warm_start(focal_log_prior(FREQUENCIES), FREQUENCIES, alpha=0.5)

    torch.testing.assert_close(delta, DELTA0, atol=1e-4, rtol=0)


def test_inverse_prior_is_minus_log_of_frequency() -> None:
    """-log f for classes that are present."""
    expected = [math.log(4.0), math.log(4.0 / 3.0)]

    assert inverse_log_prior([0.25, 0.75]).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["focal", "inverse"])
def test_absent_class_is_finite_and_does_not_deviate(kind: PriorKind) -> None:
    """F = 0 gives a finite prior, deviation 0, and no weight in the mean of the others."""
    log_prior = class_log_prior(kind, [0.25, 0.75, 0.0], gamma=2.0)
    delta = warm_start(log_prior, [0.25, 0.75, 0.0], alpha=1.0)

    assert log_prior.isfinite().all()
    assert delta[2] == 0
    assert float(delta[0]) == pytest.approx(-float(delta[1]))


@pytest.mark.parametrize("kind", ["focal", "inverse"])
def test_single_class_is_finite_and_does_not_deviate(kind: PriorKind) -> None:
    """A class that fills every pixel has a finite prior and deviation 0."""
    log_prior = class_log_prior(kind, [1.0], gamma=2.0)

    assert log_prior.isfinite().all()
    assert warm_start(log_prior, [1.0], alpha=0.5).tolist() == [0.0]


def test_hard_class_prior_ignores_unscored_classes() -> None:
    """NaN Dice gets the mean of the scored classes; a perfect class stays finite."""
    log_prior = hard_class_log_prior([0.5, math.nan, 0.9, 1.0], gamma=2.0)

    assert log_prior.isfinite().all()
    assert float(log_prior[0]) == pytest.approx(2 * math.log(0.5))
    assert float(log_prior[1]) == pytest.approx(float(log_prior[[0, 2, 3]].mean()))


@pytest.mark.parametrize(
    "frequencies",
    [[], [0.0, 0.0], [-0.1, 1.1], [30.0, 70.0], [math.nan, 1.0], [0.2, 0.2]],
    ids=["empty", "nothing", "negative", "percent", "nan", "half"],
)
def test_impossible_frequencies_are_refused(frequencies: list[float]) -> None:
    """Counts, percentages and gaps are errors, not silent priors."""
    with pytest.raises(ConfigError, match="pixel frequencies"):
        focal_log_prior(frequencies)


@pytest.mark.parametrize("dice", [[1.5], [-0.1, 0.5], [math.nan]], ids=["high", "low", "none"])
def test_impossible_dice_is_refused(dice: list[float]) -> None:
    """Dice outside 0-1, or of no class at all, is an error."""
    with pytest.raises(ConfigError, match="baseline Dice"):
        hard_class_log_prior(dice)


def test_unknown_prior_is_refused() -> None:
    """The message names the priors there are."""
    with pytest.raises(ConfigError, match="'focal' or 'inverse'"):
        class_log_prior("square", [1.0], gamma=2.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mode", "expected", "learned"),
    [
        ("none", torch.zeros(5), False),
        ("cffa", LOG_PRIOR, False),
        ("hcfa", LOG_PRIOR, False),
        ("dfa", DELTA0, True),
        ("dfa_anchored", LOG_PRIOR, True),
        ("frozen_init", DELTA0, False),
        ("cold", torch.zeros(5), True),
    ],
)
def test_mode_starts_at_its_bias(mode: BiasMode, expected: torch.Tensor, learned: bool) -> None:
    """Each mode's b before training, and whether delta is trained."""
    class_bias = make_bias(mode)

    torch.testing.assert_close(class_bias.bias().detach(), expected, atol=1e-4, rtol=0)
    assert class_bias.learned is learned
    assert len(class_bias.delta_parameters()) == int(learned)
    assert class_bias.delta.requires_grad is learned


@pytest.mark.parametrize(
    ("scope", "shape", "layer_shape"),
    [("shared", (5,), (5,)), ("layer", (2, 5), (5,)), ("head", (2, 3, 5), (3, 5))],
)
def test_scope_gives_shape(
    scope: BiasScope, shape: tuple[int, ...], layer_shape: tuple[int, ...]
) -> None:
    """Delta has one number per class, per layer or per head; all start alike."""
    class_bias = make_bias("dfa", scope)

    assert class_bias.delta.shape == shape
    assert class_bias.layer_bias(1).shape == layer_shape
    torch.testing.assert_close(class_bias.bias().detach(), DELTA0.expand(shape), atol=1e-4, rtol=0)


def test_layer_bias_takes_the_layer_asked_for() -> None:
    """Layers with biases of their own are not mixed up."""
    class_bias = make_bias("cold", "layer")
    with torch.no_grad():
        class_bias.delta[1] = 7.0

    assert class_bias.layer_bias(0).tolist() == [0.0] * 5
    assert class_bias.layer_bias(1).tolist() == [7.0] * 5


@pytest.mark.parametrize("mode", BIAS_RULES)
def test_state_has_one_layout_in_all_modes(mode: BiasMode) -> None:
    """A state dictionary of one mode can be read by another."""
    state = make_bias(mode).state_dict()

    assert {name: tuple(value.shape) for name, value in state.items()} == {
        "delta": (5,),
        "log_prior": (5,),
    }


def test_centred_bias_has_mean_zero() -> None:
    """Only differences between classes are reported."""
    centred = make_bias("cffa").centred()

    torch.testing.assert_close(centred, LOG_PRIOR - LOG_PRIOR.mean(), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("mode", "scope", "message"),
    [("warm", "shared", "bias mode 'warm'"), ("dfa", "pixel", "bias scope 'pixel'")],
)
def test_unknown_choice_is_refused(mode: str, scope: str, message: str) -> None:
    """Unknown modes and scopes are named together with those there are."""
    with pytest.raises(ConfigError, match=message):
        ClassBias(
            num_classes=2,
            mode=mode,  # type: ignore[arg-type]
            scope=scope,  # type: ignore[arg-type]
            num_layers=1,
            num_heads=1,
        )
