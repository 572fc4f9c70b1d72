"""Whether glands are found one by one: the measures of the GlaS contest."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


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

    def to_record(self) -> dict[str, Any]:
        """Return a plain table for JSON that ``from_record`` reads back."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "ObjectScores":
        """Read what ``to_record`` made."""
        return cls(**{field.name: record[field.name] for field in fields(cls)})
