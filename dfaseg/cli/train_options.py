"""The settings of ``dfaseg train`` as options; each overrides one entry of the TOML file.

An option's parameter is named after its entry, the dot written as two underscores. Options without
a value leave the entry as the file has it, or at the default that the help states.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from dfaseg.cli.options import FiniteRange

Command = TypeVar("Command", bound=Callable[..., Any])

DATASETS = ("bcss", "bcss-certain", "bdsa", "crag", "ebhi", "folder", "glas", "synthetic")
BIAS_MODES = ("none", "cffa", "hcfa", "dfa", "dfa_anchored", "frozen_init", "cold")
LOSSES = (
    "focal_dice", "ce_dice", "focal", "ce", "class_balanced", "logit_adjusted",
    "logit_adjusted_posthoc", "balanced_softmax", "unified_focal", "ohem", "seesaw",
)  # fmt: skip


class _Numbers(click.ParamType[tuple[float, ...]]):
    """Numbers parted by commas."""

    name = "N,N,N"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """Parse the numbers."""
        if not isinstance(value, str):
            return tuple(value)
        try:
            return tuple(float(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is no list of numbers parted by commas", param, ctx)


_SETTINGS = (
    click.option("--seed", type=click.IntRange(0), help="Same seed, same run.  [default: 0]"),
    click.option("--epochs", type=click.IntRange(1), help="Passes over the images.  [default: 60]"),
    click.option(
        "--patience",
        type=click.IntRange(0),
        help="End after so many epochs without a better one; 0 never.  [default: 0]",
    ),
    click.option(
        "--batch-size",
        type=click.IntRange(1),
        help="Patches per step, over all processes.  [default: 24]",
    ),
    click.option(
        "--accumulate",
        type=click.IntRange(1),
        help="Parts in which a batch goes through the network, to save memory.  [default: 1]",
    ),
    click.option(
        "--patch-size",
        "patch_px",
        type=click.IntRange(1),
        help="Side of a training patch (px).  [default: the data set's]",
    ),
    click.option(
        "--mpp",
        type=FiniteRange(0, min_open=True),
        help="Resolution to train at (µm per pixel).  [default: the data set's]",
    ),
    click.option(
        "--balance",
        type=FiniteRange(0, 1),
        help="Favour images of rare classes: 0 not at all, 1 until classes are drawn alike."
        "  [default: 0.5]",
    ),
    click.option("--preset", "network__preset", help="Kind of network.  [default: small]"),
    click.option(
        "--encoder", "network__encoder", help="timm encoder in place of the preset's own."
    ),
    click.option(
        "--encoder-weights",
        "network__encoder_weights",
        metavar="random|hub|FILE",
        help="Where the encoder's weights come from.  [default: random]",
    ),
    click.option(
        "--second-encoder",
        "network__second_encoder",
        help="Another encoder joined to the first.  [default: the preset's]",
    ),
    click.option(
        "--second-encoder-weights",
        "network__second_encoder_weights",
        metavar="random|hub|FILE",
        help="Where its weights come from.  [default: random]",
    ),
    click.option(
        "--decoder-weights",
        "network__decoder_weights",
        metavar="FILE",
        help="Segment Anything's file, for the preset sam-path.  [default: random]",
    ),
    click.option(
        "--freeze-encoder/--train-encoder",
        "network__freeze_encoder",
        default=None,
        help="Whether encoders stay as they are.  [default: the preset's]",
    ),
    click.option(
        "--bias",
        "bias__mode",
        type=click.Choice(BIAS_MODES),
        help="What the class bias of the attention is made of.  [default: dfa]",
    ),
    click.option(
        "--bias-scope",
        "bias__scope",
        type=click.Choice(("shared", "layer", "head")),
        help="Whether decoder layers and heads share the class bias.  [default: shared]",
    ),
    click.option(
        "--prior",
        "bias__prior",
        type=click.Choice(("focal", "inverse")),
        help="How class frequencies become a prior.  [default: focal]",
    ),
    click.option(
        "--alpha", "bias__alpha", type=float, help="Strength of delta's warm start.  [default: 0.5]"
    ),
    click.option(
        "--gamma", "bias__gamma", type=float, help="Exponent of the prior.  [default: 2.0]"
    ),
    click.option(
        "--delta-lr-factor",
        "bias__lr_factor",
        type=float,
        help="Learning rate of delta as a multiple of --lr.  [default: 20.0]",
    ),
    click.option(
        "--delta-clip",
        "bias__clip",
        type=float,
        help="Largest norm of delta's gradient.  [default: 0.5]",
    ),
    click.option(
        "--delta-l2", "bias__l2", type=float, help="Weight of |delta|² in the loss.  [default: 0.0]"
    ),
    click.option(
        "--loss",
        "loss__name",
        type=click.Choice(LOSSES),
        help="What is minimised.  [default: focal_dice]",
    ),
    click.option(
        "--loss-weights",
        "loss__weights",
        type=_Numbers(),
        help="Weights of the pixel term, the Dice term and the IoU term.  [default: the loss's]",
    ),
    click.option(
        "--teacher",
        "teaching__teachers",
        metavar="MODEL",
        multiple=True,
        callback=lambda _context, _option, models: models or None,
        help="Learn from this model's probabilities besides the labels; may be repeated.",
    ),
    click.option(
        "--teacher-share",
        "teaching__share",
        type=FiniteRange(0, 1),
        help="Part of the teachers in what is learned.  [default: 0.5]",
    ),
    click.option(
        "--lr",
        "optimiser__lr",
        type=FiniteRange(0, min_open=True),
        help="Highest learning rate of the network.  [default: 0.001]",
    ),
    click.option(
        "--weight-decay",
        "optimiser__weight_decay",
        type=FiniteRange(0),
        help="Decay of AdamW.  [default: 0.01]",
    ),
    click.option(
        "--schedule",
        "optimiser__schedule",
        type=click.Choice(("cosine", "steps", "hold")),
        help="Course of the learning rate; a run that holds may be resumed with other --epochs."
        "  [default: cosine]",
    ),
    click.option(
        "--warmup-epochs",
        "optimiser__warmup_epochs",
        type=FiniteRange(0),
        help="Length of the linear warm-up.  [default: 1.0]",
    ),
    click.option(
        "--decay-epochs",
        "optimiser__decay_epochs",
        type=click.IntRange(1),
        help="Length of the fall that ends the schedule 'hold'.  [default: 10]",
    ),
    click.option(
        "--ema-decay",
        "optimiser__ema_decay",
        type=FiniteRange(0, 1),
        help="Decay per step of the averaged weights; 0 takes the last weights.  [default: 0.998]",
    ),
    click.option(
        "--precision",
        type=click.Choice(("fp32", "bf16", "fp16")),
        help="Number format of the forward pass.  [default: fp32]",
    ),
    click.option(
        "--compile/--no-compile",
        "compile",
        default=None,
        help="Let torch.compile make the network faster; takes minutes first."
        "  [default: no-compile]",
    ),
)


def setting_options(command: Command) -> Command:
    """Give a command all settings of a training run as options."""
    for option in reversed(_SETTINGS):
        command = option(command)
    return command


def given_settings(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that were given, by the dotted name of their entry in the TOML file."""
    return {
        name.replace("__", "."): value for name, value in parameters.items() if value is not None
    }
