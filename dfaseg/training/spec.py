"""The settings of a training run, in tables as they stand in its TOML file."""

import math
from dataclasses import dataclass, field
from typing import Literal

from dfaseg.errors import ConfigError
from dfaseg.model.class_bias import BiasMode, BiasScope
from dfaseg.model.prior import PriorKind
from dfaseg.training.losses.spec import LossSpec

ScheduleName = Literal["cosine", "steps", "hold"]
Precision = Literal["fp32", "bf16", "fp16"]

MAX_SEED = 2**43 - 1
"""torch takes 64 bits, of which the epoch needs some."""


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """Which network is trained.

    Attributes:
        preset: Named variant.
        encoder: timm model or known encoder in place of the preset's own; empty keeps it.
        encoder_weights: Where its weights come from: ``random``, ``hub`` (Hugging Face) or a file.
        second_encoder: Another encoder joined to the first; empty leaves it to the preset.
        second_encoder_weights: As ``encoder_weights``.
        decoder_weights: Segment Anything's official file, for the preset ``sam-path``; empty
            starts at random.
        freeze_encoder: Whether encoders stay as they are; None takes what the preset says.
    """

    preset: str = "small"
    encoder: str = ""
    encoder_weights: str = "random"
    second_encoder: str = ""
    second_encoder_weights: str = "random"
    decoder_weights: str = ""
    freeze_encoder: bool | None = None


@dataclass(frozen=True, slots=True)
class BiasSpec:
    """How the class bias of the attention is made and learned.

    Attributes:
        mode: What b is made of.
        scope: Whether layers and heads share b.
        prior: How frequencies become a log prior.
        alpha: Strength of delta's warm start.
        gamma: Exponent of the prior.
        baseline_dice: Dice per class of an earlier run, for mode hcfa; NaN where it has none.
        lr_factor: Learning rate of delta as a multiple of the network's highest; constant.
        clip: Largest norm of delta's gradient.
        l2: Weight of ``|delta|²`` in the loss.
    """

    mode: BiasMode = "dfa"
    scope: BiasScope = "shared"
    prior: PriorKind = "focal"
    alpha: float = 0.5
    gamma: float = 2.0
    baseline_dice: tuple[float, ...] = ()
    lr_factor: float = 20.0
    clip: float = 0.5
    l2: float = 0.0

    def __post_init__(self) -> None:
        _require_not_negative("bias", self, "alpha", "gamma", "lr_factor", "l2")
        _require_positive("bias", self, "clip")


@dataclass(frozen=True, slots=True)
class OptimiserSpec:
    """How the weights move.

    Attributes:
        lr: Highest learning rate of the network.
        weight_decay: AdamW's decoupled decay of matrices; never applied to delta.
        schedule: Course of the learning rate after the warm-up: cosine to 0, the paper's two
            steps, or hold and then fall to 0 in a line. A run that holds may be resumed with
            another number of epochs.
        warmup_epochs: Length of the linear warm-up.
        decay_epochs: Length of the fall that ends the schedule "hold".
        ema_decay: Decay of the averaged weights per step; 0 turns averaging off.
    """

    lr: float = 1e-3
    weight_decay: float = 1e-2
    schedule: ScheduleName = "cosine"
    warmup_epochs: float = 1.0
    decay_epochs: int = 10
    ema_decay: float = 0.998

    def __post_init__(self) -> None:
        _require_positive("optimiser", self, "lr", "decay_epochs")
        _require_not_negative("optimiser", self, "weight_decay", "warmup_epochs")
        _require_share("optimiser", self, "ema_decay")


@dataclass(frozen=True, slots=True)
class AugmentSpec:
    """How strongly training patches are varied; probabilities and factors.

    Attributes:
        scale: Smallest and largest zoom; above 1 enlarges structures.
        mosaic: Share of patches composed of four different images.
        glass: Share of patches with an empty, near-white area labelled background.
        fibres: Share of patches, or of the parts of a mosaic, that show nothing but background
            tissue, stretched in one direction as muscle and scar are.
        infiltrate: Share of patches, or of the parts of a mosaic, in whose background tissue small
            dark nuclei are scattered as in dense inflammation.
        squamous: Share of them that show made-up squamous epithelium and keratin as background.
        fat: Share of them that show made-up fat as background.
        blood: Share of them that show made-up blood as background.
        scrambled: Share of them that show small pieces of themselves, thrown about, as background.
        stain: Largest relative change of each stain's strength, and of the saturation.
        brightness: Largest change of the optical density of every channel.
        contrast: Largest relative change of the optical density as a whole.
        blur: Share of patches that are blurred.
        noise: Share of patches that get sensor noise.
        jpeg: Share of patches that are compressed and decompressed again.
    """

    scale: tuple[float, float] = (0.7, 1.4)
    mosaic: float = 0.5
    glass: float = 0.12
    fibres: float = 0.0
    infiltrate: float = 0.0
    squamous: float = 0.0
    fat: float = 0.0
    blood: float = 0.0
    scrambled: float = 0.0
    stain: float = 0.3
    brightness: float = 0.06
    contrast: float = 0.4
    blur: float = 0.15
    noise: float = 0.15
    jpeg: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.scale[0] <= self.scale[1] < math.inf:
            raise ConfigError(f"augment.scale {self.scale}: must be 0 < smallest <= largest")
        _require_share("augment", self, "mosaic", "glass", "fibres", "blur", "noise", "jpeg")
        _require_share("augment", self, "infiltrate", "squamous", "fat", "blood", "scrambled")
        _require_not_negative("augment", self, "stain", "brightness", "contrast")


@dataclass(frozen=True, slots=True)
class TeachingSpec:
    """Which networks teach beside the labels.

    Attributes:
        teachers: Their model files; none leaves all to the labels.
        sha256: Hashes of the files, where they are known; others are refused.
        share: Their part in what is learned; 1 leaves nothing to the labels.
    """

    teachers: tuple[str, ...] = ()
    sha256: tuple[str, ...] = ()
    share: float = 0.5

    def __post_init__(self) -> None:
        _require_share("teaching", self, "share")


@dataclass(frozen=True, slots=True)
class TrainSpec:
    """What decides the result of a run; the same spec and data give the same run.

    Attributes:
        dataset: Name of the data set's reader.
        seed: Origin of every random number of the run.
        epochs: Passes over the training split.
        patience: Epochs without a better macro Dice on the validation split after which the run
            ends; 0 never ends it early.
        batch_size: Patches per optimiser step, over all processes.
        accumulate: Parts in which a batch goes through the network, to save memory.
        patch_px: Side of a training patch; 0 takes the data set's own.
        mpp: Resolution to train at (µm per pixel); 0 takes the data set's own.
        balance: 0 draws every place once per epoch; up to 1 favours places of rare classes.
        precision: Arithmetic of the forward pass.
        compile: Whether torch.compile makes the network faster, after minutes of compiling.
        network: Which network.
        bias: Its class bias.
        loss: Terms of the loss.
        optimiser: How the weights move.
        augment: How patches are varied.
        teaching: Networks to learn from.
    """

    dataset: str
    seed: int = 0
    epochs: int = 60
    patience: int = 0
    batch_size: int = 24
    accumulate: int = 1
    patch_px: int = 0
    mpp: float = 0.0
    balance: float = 0.5
    precision: Precision = "fp32"
    compile: bool = False
    network: NetworkSpec = field(default_factory=NetworkSpec)
    bias: BiasSpec = field(default_factory=BiasSpec)
    loss: LossSpec = field(default_factory=LossSpec)
    optimiser: OptimiserSpec = field(default_factory=OptimiserSpec)
    augment: AugmentSpec = field(default_factory=AugmentSpec)
    teaching: TeachingSpec = field(default_factory=TeachingSpec)

    def __post_init__(self) -> None:
        _require_positive("training", self, "epochs", "batch_size", "accumulate")
        _require_not_negative("training", self, "seed", "patience", "patch_px", "mpp")
        _require_share("training", self, "balance")
        if self.seed > MAX_SEED:
            raise ConfigError(f"training.seed {self.seed}: must be at most {MAX_SEED}")
        if self.teaching.teachers and self.loss.name == "logit_adjusted_posthoc":
            raise ConfigError(
                "loss 'logit_adjusted_posthoc': changes probabilities after the training, so that"
                " teachers would teach others than are meant; choose another loss, or no teachers"
            )
        if self.batch_size % self.accumulate:
            raise ConfigError(
                f"training.batch_size {self.batch_size}: cannot be split in {self.accumulate}"
                " equal parts; change accumulate"
            )

    def holds_until(self) -> int:
        """Return the epoch up to which the course does not depend on the number of epochs."""
        held = self.epochs - self.optimiser.decay_epochs
        return held if self.optimiser.schedule == "hold" else 0


def _require_positive(table: str, spec: object, *names: str) -> None:
    for name in names:
        if not 0 < getattr(spec, name) < math.inf:
            raise ConfigError(f"{table}.{name}: must be a number above 0")


def _require_not_negative(table: str, spec: object, *names: str) -> None:
    for name in names:
        if not 0 <= getattr(spec, name) < math.inf:
            raise ConfigError(f"{table}.{name}: must be a number of at least 0")


def _require_share(table: str, spec: object, *names: str) -> None:
    for name in names:
        if not 0 <= getattr(spec, name) <= 1:
            raise ConfigError(f"{table}.{name}: must lie between 0 and 1")
