"""The smaller values that make up a model card, and what they are where nobody says."""

from dataclasses import dataclass

from dfaseg.errors import ConfigError
from dfaseg.geometry import MIN_PLAUSIBLE_MPP

FORMAT_VERSION = 1
"""Version of the card that this package writes, and the newest it reads."""
COARSEST_MPP_FACTOR = 1.5
"""A slide coarser than this times the network's resolution holds too little detail to feed it."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Mean and standard deviation of red, green and blue, for pixel values scaled to 0-1."""

    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    def __post_init__(self) -> None:
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise ConfigError("normalisation: mean and std need three numbers each, std above 0")


@dataclass(frozen=True, slots=True)
class BiasRecord:
    """The class bias as trained: its mode and one number per class, in class order.

    Where layers or heads have their own, all follow one another, the classes running fastest.

    Attributes:
        mode: How the bias came about, one of the bias modes of the network.
        b: What was added to the attention logits.
        delta: The learned part of ``b``; empty where nothing was learned.
        b_centred: ``b`` minus its mean; only differences between classes mean anything.
    """

    mode: str = "none"
    b: tuple[float, ...] = ()
    delta: tuple[float, ...] = ()
    b_centred: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Where the training images come from and on which terms."""

    name: str = "unknown"
    licence: str = "unknown"
    attribution: str = ""
    url: str = ""


def default_mpp_range(mpp: float) -> tuple[float, float]:
    """Return the slide resolutions (µm per pixel) fit for a network trained at ``mpp``.

    Any finer slide is resampled; a much coarser one lacks the detail.
    """
    return min(MIN_PLAUSIBLE_MPP, mpp), COARSEST_MPP_FACTOR * mpp
