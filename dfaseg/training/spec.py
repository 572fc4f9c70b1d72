"""The settings of a training run: parsed and checked once, recorded with the run."""

import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from dfaseg.errors import ConfigError

LossName = Literal["focal_dice", "ce_dice"]
ScheduleName = Literal["cosine", "steps", "hold"]
Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True, slots=True)
class AugmentSpec:
    """How strongly training patches are varied; probabilities and factors.

    Attributes:
        scale: Smallest and largest zoom; above 1 enlarges structures.
        mosaic: Share of patches composed of four different images.
        glass: Share of patches with an empty, near-white area labelled background.
        stain: Largest relative change of each stain's strength, and of the saturation.
        brightness: Largest change of the optical density of every channel.
        contrast: Largest relative change of the optical density as a whole.
        blur: Share of patches that are blurred.
        noise: Share of patches that get sensor noise.
    """

    scale: tuple[float, float] = (0.7, 1.4)
    mosaic: float = 0.5
    glass: float = 0.12
    stain: float = 0.3
    brightness: float = 0.06
    contrast: float = 0.4
    blur: float = 0.15
    noise: float = 0.15

    def __post_init__(self) -> None:
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ConfigError(f"augmentation scale {self.scale}: must be 0 < smallest <= largest")
        for name in ("mosaic", "glass", "blur", "noise"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"augmentation {name}: must lie between 0 and 1")


@dataclass(frozen=True, slots=True)
class TrainSpec:
    """What decides the result of a run; the same spec and data give the same run.

    Attributes:
        dataset: Name of the data set's reader.
        preset: Size of the network.
        bias_mode: How the class bias of the attention is made (dfa, none, ...).
        alpha: Strength of the warm start of delta.
        gamma: Exponent of the focal prior and of the focal loss.
        epochs: Passes over the training split.
        batch_size: Patches per step.
        lr: Highest learning rate of the network.
        weight_decay: AdamW's decoupled decay; never applied to delta.
        delta_lr_factor: Learning rate of delta as a multiple of ``lr``; it stays constant.
        delta_clip: Largest norm of delta's gradient.
        schedule: Course of the learning rate after the warm-up: cosine to 0, the paper's two
            steps, or hold and then fall to 0 in a line. A run that holds may be resumed with
            another number of epochs.
        warmup_epochs: Length of the linear warm-up.
        decay_epochs: Length of the fall that ends the schedule "hold".
        ema_decay: Decay of the averaged weights per step; 0 turns averaging off.
        balance: 0 draws every image once per epoch; up to 1 favours images of rare classes.
        loss: Terms of the loss.
        loss_weights: Weights of the pixel-wise term, the Dice term and the IoU term.
        precision: Arithmetic of the forward pass.
        seed: Origin of every random number of the run.
        augment: How patches are varied.
    """

    dataset: str
    preset: str = "small"
    bias_mode: str = "dfa"
    alpha: float = 0.5
    gamma: float = 2.0
    epochs: int = 60
    batch_size: int = 24
    lr: float = 1e-3
    weight_decay: float = 1e-2
    delta_lr_factor: float = 20.0
    delta_clip: float = 0.5
    schedule: ScheduleName = "cosine"
    warmup_epochs: float = 1.0
    decay_epochs: int = 10
    ema_decay: float = 0.998
    balance: float = 0.5
    loss: LossName = "focal_dice"
    loss_weights: tuple[float, float, float] = (0.25, 0.75, 0.0625)
    precision: Precision = "fp32"
    seed: int = 0
    augment: AugmentSpec = field(default_factory=AugmentSpec)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "lr", "decay_epochs"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"training: {name} must be a number above 0")
        for name in ("alpha", "weight_decay", "delta_lr_factor"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"training: {name} must be a number of at least 0")
        for name in ("balance", "ema_decay"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"training: {name} must lie between 0 and 1")
        if self.seed < 0:
            raise ConfigError("training: seed must not be negative")

    def holds_until(self) -> int:
        """Return the epoch up to which the course does not depend on the number of epochs."""
        return self.epochs - self.decay_epochs if self.schedule == "hold" else 0

    def to_json(self) -> str:
        """Return the spec as JSON that ``from_json`` reads back."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> "TrainSpec":
        """Read a spec written by ``to_json``.

        Raises:
            ConfigError: The text is not such a spec.
        """
        try:
            record: dict[str, Any] = json.loads(text)
            augment = record.pop("augment")
            augment["scale"] = tuple(augment["scale"])
            record["loss_weights"] = tuple(record["loss_weights"])
            return cls(**record, augment=AugmentSpec(**augment))
        except (ValueError, TypeError, KeyError) as error:
            raise ConfigError(f"training settings: not readable ({error})") from error
