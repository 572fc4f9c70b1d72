"""Made-up tissue in which how frequent a class is says nothing about how hard it is.

Four kinds of disease, in a 2 × 2 design: common or rare, easy or hard. Each kind has a benign
double, equally frequent and labelled background, that differs from it only in how dense its nuclei
are. The density of a compartment is drawn once, ``N(+d/2, 1)`` for the disease and ``N(-d/2, 1)``
for its double, so that nobody who sees one compartment can tell them apart with a smaller error
than ``Phi(-d/2)``, however good the network. d alone makes a kind hard.
"""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from dfaseg.classmap import ClassMap
from dfaseg.datasets.dataset import Dataset, DatasetInfo, Example, LabelledImage
from dfaseg.datasets.synthetic_tissue import LOOKS, Compartments, draw_field
from dfaseg.errors import ConfigError

_CLASSES = (
    ("Background", "#d9d9d9"),
    ("Common easy", "#009e73"),
    ("Common hard", "#e69f00"),
    ("Rare easy", "#56b4e9"),
    ("Rare hard", "#c1121f"),
)
_PER_SIDE = 3
"""Compartments along one side of an image."""


@dataclass(frozen=True, slots=True)
class SyntheticSpec:
    """What decides the pixels; the same spec gives the same images on every machine.

    Attributes:
        seed: Origin of every random number, and of which look each class gets.
        num_images: Images of the training, validation and test split.
        rarity: How many compartments a common class has for one of a rare class.
        easy_distance: d of the easy classes, in standard deviations of the density.
        hard_distance: d of the hard classes.
    """

    seed: int = 0
    num_images: tuple[int, int, int] = (200, 80, 160)
    rarity: int = 4
    easy_distance: float = 5.0
    hard_distance: float = 1.2

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ConfigError(f"synthetic data: seed {self.seed} must not be negative")
        if len(self.num_images) != 3 or min(self.num_images) < 1:
            raise ConfigError(
                f"synthetic data: images {self.num_images}: give three splits one or more each"
            )
        if self.rarity < 1:
            raise ConfigError(f"synthetic data: rarity {self.rarity} must be at least 1")
        if not 0 <= self.hard_distance <= self.easy_distance < math.inf:
            raise ConfigError(
                f"synthetic data: distances {self.easy_distance} (easy) and {self.hard_distance}"
                " (hard) must not be negative, and the easy one not the smaller"
            )

    @property
    def distances(self) -> tuple[float, float, float, float]:
        """The d of each of the four kinds of disease, in the order of their classes."""
        return (self.easy_distance, self.hard_distance) * 2

    @property
    def looks(self) -> tuple[int, ...]:
        """Position in ``LOOKS`` of each kind; over four seeds every kind has had every look."""
        return tuple((kind + self.seed) % len(LOOKS) for kind in range(len(LOOKS)))


INFO = DatasetInfo(
    name="synthetic",
    class_map=ClassMap.from_records(
        [{"index": i, "name": name, "colour": hue} for i, (name, hue) in enumerate(_CLASSES)]
    ),
    mpp=1.0,
    mpp_note="invented, as is the tissue",
    source="made by dfaseg",
    licence="CC0-1.0",
    attribution="dfaseg",
    glass_index=None,
    weights_licence="CC0-1.0",
    intended_use="Trying out training, and studying class biases where the truth is known.",
    limits="Nothing in it is real tissue; of no use on slides.",
    patch_px=Compartments(np.zeros(_PER_SIDE**2, np.int64), np.zeros(_PER_SIDE**2)).side_px,
)


def read_synthetic(spec: SyntheticSpec | None = None) -> Dataset:
    """Make the synthetic data set; pixels are drawn when asked for.

    Args:
        spec: What to make; None is the data set that ``--dataset synthetic`` names.
    """
    chosen = spec or SyntheticSpec()
    train, val, test = (_plan_split(chosen, index) for index in range(3))
    return Dataset(INFO, train, val, test)


def bayes_error(distance: float) -> float:
    """Return the smallest error rate on compartments of a kind and its double: ``Phi(-d/2)``.

    Args:
        distance: d, between the means of the two, in standard deviations.
    """
    return 0.5 * math.erfc(distance / 2 / math.sqrt(2))


def best_dice(distance: float) -> float:
    """Return the highest Dice that any threshold on the density reaches for a kind of disease.

    Args:
        distance: d, between the means of the two, in standard deviations.
    """
    thresholds = np.linspace(-distance / 2 - 4, distance / 2 + 4, 4001)
    hit = np.array([bayes_error(2 * t - distance) for t in thresholds])
    false_alarm = np.array([bayes_error(2 * t + distance) for t in thresholds])
    return float((2 * hit / (1 + hit + false_alarm)).max())


def _plan_split(spec: SyntheticSpec, index: int) -> tuple[Example, ...]:
    """Deal the compartments of a split to its images, every kind exactly as often as it should."""
    name = ("train", "val", "test")[index]
    per_image = _PER_SIDE**2
    rng = np.random.default_rng([spec.seed, index])
    deck = _make_deck(spec, spec.num_images[index] * per_image)
    hands = rng.permutation(deck).reshape(-1, per_image, 2)
    return tuple(
        Example(f"{name}-{number}", f"{name}-{number}", partial(_draw, spec, (index, number), hand))
        for number, hand in enumerate(hands)
    )


def _make_deck(spec: SyntheticSpec, size: int) -> NDArray[np.int64]:
    """Return pairs of kind and whether it is diseased, ``(size, 2)``, in exact shares."""
    shares = np.repeat([spec.rarity, spec.rarity, 1, 1], 2)
    cumulative = np.rint(np.cumsum(shares) / shares.sum() * size).astype(np.int64)
    cards = np.repeat(np.arange(len(shares)), np.diff(cumulative, prepend=0))
    return np.stack(np.divmod(cards, 2), axis=1)


def _draw(spec: SyntheticSpec, place: tuple[int, int], hand: NDArray[np.int64]) -> LabelledImage:
    kinds, is_diseased = hand.T
    rng = np.random.default_rng([spec.seed, *place])
    distances = np.array(spec.distances)[kinds]
    chromatins = rng.standard_normal(len(kinds)) + np.where(is_diseased, 0.5, -0.5) * distances
    field = draw_field(rng, Compartments(np.array(spec.looks)[kinds], chromatins))
    label = np.where(is_diseased, kinds + 1, 0)[field.compartment]
    label[field.is_septum] = 0
    return LabelledImage(field.image, label.astype(np.uint8))
