"""Named variants of the network; the only home of hyper-parameter numbers."""

import logging
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from torch import Tensor

from dfaseg.errors import ConfigError
from dfaseg.model.class_bias import BIAS_RULES, BiasMode
from dfaseg.model.encoder_weights import WeightSources
from dfaseg.model.known_encoders import encoder_source
from dfaseg.model.prior import PriorKind, class_log_prior, hard_class_log_prior, warm_start
from dfaseg.model.segmenter import DfaSegmenter
from dfaseg.model.spec import ModelSpec

__all__ = [
    "PRESETS",
    "BiasMode",
    "ModelSpec",
    "PriorKind",
    "WeightSources",
    "build_segmenter",
    "preset_spec",
]

log = logging.getLogger(__name__)

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
        # For GPUs: the paper's decoder on a pyramid of four strides. ConvNeXt normalises each
        # pixel for itself, so it takes any batch size and any patch size, is fast in
        # channels-last, and has weights under Apache-2.0. Positions stay out, see
        # ``RandomFourierPositions``.
        "base": {
            "encoder": "convnext_tiny",
            "embed_dim": 256,
            "depth": 2,
            "num_heads": 8,
            "attention_downsample_rate": 2,
            "mlp_dim": 2048,
            "pixel_dim": 64,
            "activation": "gelu",
            "position_encoding": False,
            "predicts_iou": True,
        },
        # The paper's: SAM-Path (arXiv:2307.09570) at 1024 px.
        "sam-path": {
            "encoder": "sam-vit-b",
            "second_encoder": "hipt",
            "freeze_encoder": True,
            "sam_decoder": True,
            "embed_dim": 256,
            "depth": 2,
            "num_heads": 8,
            "attention_downsample_rate": 2,
            "mlp_dim": 2048,
            "pixel_dim": 32,
            "activation": "gelu",
            "position_encoding": True,
            "predicts_iou": True,
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
    name: str,
    *,
    num_classes: int,
    bias_mode: str = "dfa",
    bias_scope: str = "shared",
    encoder: str | None = None,
    second_encoder: str | None = None,
    freeze_encoder: bool | None = None,
) -> ModelSpec:
    """Return the spec of a named variant.

    Args:
        name: Key of ``PRESETS``.
        num_classes: Number of classes k.
        bias_mode: What b is made of; one of the seven modes.
        bias_scope: Whether layers and heads share b: ``shared``, ``layer`` or ``head``.
        encoder: Encoder in place of all of the preset's own.
        second_encoder: Another encoder to join to the first.
        freeze_encoder: Whether encoders stay as they are; None leaves it to the preset.

    Raises:
        ConfigError: The name, the mode or the scope is unknown, or the class count impossible.
    """
    if name not in PRESETS:
        raise ConfigError(f"preset '{name}': unknown; use one of {', '.join(PRESETS)}")
    changes: dict[str, Any] = {
        "num_classes": num_classes,
        "bias_mode": bias_mode,
        "bias_scope": bias_scope,
    }
    if encoder is not None:
        changes |= {"encoder": encoder, "second_encoder": None}
    if second_encoder is not None:
        changes["second_encoder"] = second_encoder
    if freeze_encoder is not None:
        changes["freeze_encoder"] = freeze_encoder
    return ModelSpec.from_record({**PRESETS[name], **changes})


def build_segmenter(
    spec: ModelSpec,
    *,
    pixel_frequencies: Sequence[float] | None = None,
    baseline_dice: Sequence[float] | None = None,
    prior: PriorKind = "focal",
    alpha: float = 0.5,
    gamma: float = 2.0,
    weights: WeightSources | None = None,
) -> DfaSegmenter:
    """Build a network with fresh weights from torch's random state.

    Equal seeds give equal weights in every bias mode, whatever weights are loaded.

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
        weights: Where encoders and decoder get their first weights; None starts all at random.

    Raises:
        ConfigError: A setting is impossible, or mode ``hcfa`` lacks its baseline Dice.
        CheckpointError: Weights cannot be had or do not fit.
    """
    segmenter = DfaSegmenter(spec, weights=weights)
    if pixel_frequencies is not None:
        _warn_of_blind_encoders(spec, weights or WeightSources())
        _require_one_per_class("pixel frequencies", pixel_frequencies, spec.num_classes)
        log_prior = class_log_prior(prior, pixel_frequencies, gamma=gamma)
        delta = warm_start(log_prior, pixel_frequencies, alpha)
        if BIAS_RULES[spec.bias_mode].prior_source == "dice":
            log_prior = _dice_prior(baseline_dice, spec.num_classes, gamma)
        segmenter.class_bias.start_from(log_prior, delta)
    return segmenter


def _warn_of_blind_encoders(spec: ModelSpec, weights: WeightSources) -> None:
    """Log what is allowed, for trials, and hardly ever meant."""
    chosen = ((spec.encoder, weights.encoder), (spec.second_encoder, weights.second_encoder))
    for name, source in chosen:
        if spec.freeze_encoder and name is not None and source is None:
            origin = encoder_source(name)
            log.warning(
                "encoder '%s': frozen at random weights, it will tell little of the images; give "
                "its weights (%s; see %s) or let it train",
                name,
                origin.terms,
                origin.address,
            )


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
