"""Named variants of the network; the only home of hyper-parameter numbers."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from torch import Tensor

from dfaseg.errors import ConfigError
from dfaseg.model.class_bias import BIAS_RULES, BiasMode
from dfaseg.model.encoder import EncoderWeights
from dfaseg.model.prior import PriorKind, class_log_prior, hard_class_log_prior, warm_start
from dfaseg.model.segmenter import DfaSegmenter
from dfaseg.model.spec import ModelSpec

__all__ = ["PRESETS", "BiasMode", "ModelSpec", "PriorKind", "build_segmenter", "preset_spec"]

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        # For CPUs: the decoder costs well under the encoder. Hardswish is shaped like GELU, whose
        # error function alone would take more than a tenth of the decoder's time.
        "small": {
            "encoder": "mobilenetv4_conv_small",
            "embed_dim": 128,
            "depth": 2,
            "num_heads": 4,
            "attention_downsample_rate": 2,
            "mlp_dim": 256,
            "pixel_dim": 32,
            "activation": "hardswish",
            "position_encoding": False,
            "predicts_iou": False,
        },
        # For tests: every part is there and nothing takes time.
        "tiny": {
            "encoder": "test_efficientnet",
            "embed_dim": 16,
            "depth": 2,
            "num_heads": 2,
            "attention_downsample_rate": 2,
            "mlp_dim": 32,
            "pixel_dim": 8,
            "activation": "hardswish",
            "position_encoding": False,
            "predicts_iou": False,
        },
    }
)
"""Records of ``ModelSpec`` by name, without what depends on the task: classes and bias."""


def preset_spec(
    name: str, *, num_classes: int, bias_mode: str = "dfa", encoder: str | None = None
) -> ModelSpec:
    """Return the spec of a named variant.

    Args:
        name: Key of ``PRESETS``.
        num_classes: Number of classes k.
        bias_mode: What b is made of; one of the seven modes.
        encoder: timm model name in place of the preset's own.

    Raises:
        ConfigError: The name or the mode is unknown, or the class count impossible.
    """
    if name not in PRESETS:
        raise ConfigError(f"preset '{name}': unknown; use one of {', '.join(PRESETS)}")
    record = {
        **PRESETS[name],
        "num_classes": num_classes,
        "bias_mode": bias_mode,
        "bias_scope": "shared",
    }
    if encoder is not None:
        record["encoder"] = encoder
    return ModelSpec.from_record(record)


def build_segmenter(
    spec: ModelSpec,
    *,
    pixel_frequencies: Sequence[float] | None = None,
    baseline_dice: Sequence[float] | None = None,
    prior: PriorKind = "focal",
    alpha: float = 0.5,
    gamma: float = 2.0,
    encoder_weights: EncoderWeights = None,
) -> DfaSegmenter:
    """Build a network with fresh weights from torch's random state.

    Equal seeds give equal weights in every bias mode.

    Args:
        spec: Numbers of the network.
        pixel_frequencies: Share of each class among the training split's pixels that are not
            ignored, ``k`` numbers. None leaves prior and warm start at zero: for weights that
            are about to be loaded, which bring their own.
        baseline_dice: Dice of each class in an earlier run, for mode ``hcfa``; NaN where the
            class could not be scored.
        prior: How frequencies become a log prior.
        alpha: Strength of the warm start.
        gamma: Exponent of the focal prior and of the hard-class prior.
        encoder_weights: Where the encoder's weights come from; None starts at random.

    Raises:
        ConfigError: A setting is impossible, or mode ``hcfa`` lacks its baseline Dice.
        CheckpointError: The encoder's weights cannot be had or do not fit.
    """
    segmenter = DfaSegmenter(spec, encoder_weights=encoder_weights)
    if pixel_frequencies is not None:
        _require_one_per_class("pixel frequencies", pixel_frequencies, spec.num_classes)
        log_prior = class_log_prior(prior, pixel_frequencies, gamma=gamma)
        delta = warm_start(log_prior, pixel_frequencies, alpha)
        if BIAS_RULES[spec.bias_mode].prior_source == "dice":
            log_prior = _dice_prior(baseline_dice, spec.num_classes, gamma)
        segmenter.class_bias.start_from(log_prior, delta)
    return segmenter


def _dice_prior(baseline_dice: Sequence[float] | None, num_classes: int, gamma: float) -> Tensor:
    if baseline_dice is None:
        raise ConfigError(
            "bias mode 'hcfa': needs the per-class Dice of an earlier run; "
            "train a run with mode 'none' first and give its scores"
        )
    _require_one_per_class("baseline Dice", baseline_dice, num_classes)
    return hard_class_log_prior(baseline_dice, gamma)


def _require_one_per_class(what: str, numbers: Sequence[float], num_classes: int) -> None:
    if len(numbers) != num_classes:
        raise ConfigError(
            f"{what}: {len(numbers)} numbers for {num_classes} classes; give one each"
        )
