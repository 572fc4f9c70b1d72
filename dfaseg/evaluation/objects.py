"""Whether glands are found one by one: the measures of the GlaS contest."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.errors import ConfigError
from dfaseg.evaluation.instances import (
    InstanceImage,
    Objects,
    best_partners,
    find_instances,
    find_overlaps,
    nearest_distance,
)

MAX_PIXELS = 4096 * 4096
"""Largest image whose objects are counted one by one, which takes up to about 0.8 GB."""

FOUND_SHARE = 0.5
"""Share of a true object that its predicted partner must cover."""


@dataclass(frozen=True, slots=True)
class ObjectScores:
    """Objects of one class, as sums that add up over images.

    An average over objects is weighted by their areas, so each is kept as a sum of
    ``area × value``. Sums over true objects and over predicted ones are apart, because the
    contest's measures are the mean of both directions.

    Attributes:
        class_index: Which class the objects are of.
        num_true: Objects in the truth.
        num_predicted: Objects in the prediction.
        num_found: True objects of which one predicted object covers at least half.
        true_px: Area of all true objects (px).
        predicted_px: Area of all predicted objects (px).
        true_dice: Sum over true objects of area × Dice with their predicted partner (px).
        predicted_dice: The same over predicted objects.
        true_distance_area: Area of the true objects that have a Hausdorff distance: those of
            images with at least one predicted object (px).
        predicted_distance_area: The same for predicted objects.
        true_distance: Sum over those of area × Hausdorff distance to their partner (px · px).
        predicted_distance: The same over predicted objects.
    """

    class_index: int
    num_true: int
    num_predicted: int
    num_found: int
    true_px: int
    predicted_px: int
    true_dice: float
    predicted_dice: float
    true_distance_area: int
    predicted_distance_area: int
    true_distance: float
    predicted_distance: float

    def __add__(self, other: "ObjectScores") -> "ObjectScores":
        """Return the sums over the objects of both parts."""
        if self.class_index != other.class_index:
            raise ConfigError("objects of different classes cannot be added")
        names = [entry.name for entry in fields(self) if entry.name != "class_index"]
        sums = {name: getattr(self, name) + getattr(other, name) for name in names}
        return ObjectScores(self.class_index, **sums)

    @property
    def f1(self) -> float:
        """Detection F1: harmonic mean of the found share and of the right share."""
        number = self.num_true + self.num_predicted
        return 2 * self.num_found / number if number else float("nan")

    @property
    def object_dice(self) -> float:
        """Dice of each object with its partner, weighted by area, mean of both directions."""
        if not self.true_px + self.predicted_px:
            return float("nan")
        # Where one side has no object, no object of the other has a partner: both parts are 0.
        sides = ((self.true_dice, self.true_px), (self.predicted_dice, self.predicted_px))
        return sum(part / max(1, area) for part, area in sides) / 2

    @property
    def object_hausdorff_px(self) -> float:
        """Hausdorff distance of each object to its partner (px), weighted likewise.

        Objects of images without any on the other side have no distance and are left out.
        """
        if not (self.true_distance_area and self.predicted_distance_area):
            return float("nan")
        from_true = self.true_distance / self.true_distance_area
        return (from_true + self.predicted_distance / self.predicted_distance_area) / 2

    def to_record(self) -> dict[str, Any]:
        """Return a plain table for JSON that ``from_record`` reads back."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "ObjectScores":
        """Read what ``to_record`` made."""
        return cls(**{field.name: record[field.name] for field in fields(cls)})


def score_objects(
    label: NDArray[np.uint8], mask: NDArray[np.uint8], class_index: int, *, min_px: int = 0
) -> ObjectScores | None:
    """Count the objects of one class, where truth and prediction hold classes and no objects.

    Objects are the connected parts of the class (see ``find_instances``): true objects that touch
    are one. Pixels that are 255 in either image are left out before objects are made.

    Args:
        label: Truth, uint8 ``(h, w)``.
        mask: Prediction, uint8 ``(h, w)``.
        class_index: The class, such as gland.
        min_px: Smaller predicted objects are dropped; true objects all count.

    Returns:
        The scores; None where the image has more than ``MAX_PIXELS``.

    Raises:
        ConfigError: The shapes differ.
    """
    if label.size > MAX_PIXELS:
        return None
    if label.shape != mask.shape:
        raise ConfigError(f"label {label.shape} and mask {mask.shape}: shapes must be equal")
    true = find_instances((label == class_index) & (mask != IGNORE_INDEX))
    predicted = find_instances((mask == class_index) & (label != IGNORE_INDEX), min_px=min_px)
    return compare_instances(true, predicted, class_index)


def compare_instances(
    true_instances: InstanceImage, predicted_instances: InstanceImage, class_index: int
) -> ObjectScores:
    """Compare objects as in the GlaS contest (Sirinukunwattana et al. 2017, section 5).

    Each object's partner is the one on the other side with which it shares most pixels. An object
    without a partner has Dice 0, and its distance is that to the nearest object.

    Args:
        true_instances: Numbers of the true objects, ``(h, w)``, 0 = none.
        predicted_instances: Numbers of the predicted objects, ``(h, w)``.
        class_index: The class the objects are of.

    Raises:
        ConfigError: The shapes differ.
    """
    if true_instances.shape != predicted_instances.shape:
        raise ConfigError(
            f"objects {true_instances.shape} and {predicted_instances.shape}: shapes must be equal"
        )
    true, predicted = Objects(true_instances), Objects(predicted_instances)
    overlaps = find_overlaps(true, predicted)
    to_predicted = best_partners(overlaps.true, overlaps.predicted, overlaps.pixels, len(true))
    to_true = best_partners(overlaps.predicted, overlaps.true, overlaps.pixels, len(predicted))
    both = bool(len(true) and len(predicted))
    true_px, predicted_px = int(true.areas.sum()), int(predicted.areas.sum())
    return ObjectScores(
        class_index=class_index,
        num_true=len(true),
        num_predicted=len(predicted),
        num_found=_count_found(true, *to_true),
        true_px=true_px,
        predicted_px=predicted_px,
        true_dice=_weighted_dice(true, predicted, *to_predicted),
        predicted_dice=_weighted_dice(predicted, true, *to_true),
        true_distance_area=true_px if both else 0,
        predicted_distance_area=predicted_px if both else 0,
        true_distance=_weighted_distance(true, predicted, to_predicted[0]),
        predicted_distance=_weighted_distance(predicted, true, to_true[0]),
    )


def _count_found(true: Objects, partner: NDArray[np.int64], shared: NDArray[np.int64]) -> int:
    """Count the true objects that are covered by a predicted one whose partner they are."""
    has_partner = partner >= 0
    partner, shared = partner[has_partner], shared[has_partner]
    covered = shared >= FOUND_SHARE * true.areas[partner]
    # Two predicted objects may cover half each: the true one is found once.
    return len(np.unique(partner[covered]))


def _weighted_dice(
    objects: Objects, others: Objects, partner: NDArray[np.int64], shared: NDArray[np.int64]
) -> float:
    has_partner = partner >= 0
    areas = objects.areas[has_partner]
    dice = 2 * shared[has_partner] / (areas + others.areas[partner[has_partner]])
    return float((areas * dice).sum())


def _weighted_distance(objects: Objects, others: Objects, partner: NDArray[np.int64]) -> float:
    if not len(others):
        return 0.0
    distances = [
        objects.distance(index, others, int(other))
        if other >= 0
        else nearest_distance(objects, index, others)
        for index, other in enumerate(partner)
    ]
    return float((objects.areas * np.array(distances)).sum())
