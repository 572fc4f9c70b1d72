"""Settings that mean nothing beside others: which one needs what."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from dfaseg.model.class_bias import BIAS_RULES
from dfaseg.training.spec import TrainSpec


@dataclass(frozen=True, slots=True)
class _Need:
    """What a setting needs to have an effect.

    Attributes:
        option: The setting's option of ``dfaseg train``.
        needs: The need, as options.
        is_met: Whether a spec meets it.
    """

    option: str
    needs: str
    is_met: Callable[[TrainSpec], bool]


def idle_settings(spec: TrainSpec, named: Iterable[str]) -> list[str]:
    """Return which of the named settings have no effect, each as its option and what it needs.

    Args:
        spec: All settings of the run.
        named: Settings that somebody asked for, by dotted name.
    """
    needs = [_NEEDS[name] for name in named if name in _NEEDS]
    return [f"{need.option} (needs {need.needs})" for need in needs if not need.is_met(spec)]


def _learns(spec: TrainSpec) -> bool:
    return BIAS_RULES[spec.bias.mode].is_learned


def _starts_warm(spec: TrainSpec) -> bool:
    return BIAS_RULES[spec.bias.mode].starts_warm


def _takes_frequencies(spec: TrainSpec) -> bool:
    rule = BIAS_RULES[spec.bias.mode]
    return rule.prior_source == "frequencies" and (rule.is_anchored or rule.starts_warm)


def _is_of_dice(spec: TrainSpec) -> bool:
    return BIAS_RULES[spec.bias.mode].prior_source == "dice"


def _takes_dice(spec: TrainSpec) -> bool:
    return _is_of_dice(spec) or _learns(spec)  # delta is plotted against it


def _takes_gamma(spec: TrainSpec) -> bool:
    return _is_of_dice(spec) or (_takes_frequencies(spec) and spec.bias.prior == "focal")


_MODES_LEARNED = "dfa, dfa_anchored or cold"
_LEARNED = f"--bias {_MODES_LEARNED}"
_OF_FREQUENCIES = "--bias cffa, dfa, dfa_anchored or frozen_init"

_NEEDS: Mapping[str, _Need] = {
    "bias.scope": _Need("--bias-scope", _LEARNED, _learns),
    "bias.prior": _Need("--prior", _OF_FREQUENCIES, _takes_frequencies),
    "bias.alpha": _Need("--alpha", "--bias dfa or frozen_init", _starts_warm),
    "bias.gamma": _Need(
        "--gamma", f"{_OF_FREQUENCIES} with --prior focal, or --bias hcfa", _takes_gamma
    ),
    "bias.baseline_dice": _Need("--baseline", f"--bias hcfa, {_MODES_LEARNED}", _takes_dice),
    "bias.lr_factor": _Need("--delta-lr-factor", _LEARNED, _learns),
    "bias.clip": _Need("--delta-clip", _LEARNED, _learns),
    "bias.l2": _Need("--delta-l2", _LEARNED, _learns),
    "optimiser.decay_epochs": _Need(
        "--decay-epochs", "--schedule hold", lambda spec: spec.optimiser.schedule == "hold"
    ),
}
"""By dotted name; settings that are not here always have an effect, or are refused."""
