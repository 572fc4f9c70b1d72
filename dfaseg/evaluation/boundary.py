"""How far apart the outlines of truth and prediction lie, per class, in µm."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dfaseg.errors import ConfigError
from dfaseg.evaluation.records import FloatArray, ratio, to_floats, to_plain


@dataclass(frozen=True, slots=True)
class SurfaceScores:
    """Outlines of one image, one value per class: shape ``(k,)`` each.

    Attributes:
        tolerance_um: Distance up to which two outlines count as the same.
        true_um: Length of the outline in the truth; 0 where the class has none.
        predicted_um: Length of the outline in the prediction.
        true_near_um: Part of the true outline within the tolerance of the predicted one.
        predicted_near_um: Part of the predicted outline within the tolerance of the true one.
        hausdorff95_um: Robust Hausdorff distance; NaN unless both outlines are there.
    """

    tolerance_um: float
    true_um: FloatArray
    predicted_um: FloatArray
    true_near_um: FloatArray
    predicted_near_um: FloatArray
    hausdorff95_um: FloatArray

    @property
    def surface_dice(self) -> FloatArray:
        """Normalised surface Dice; 0 where only one outline is there, NaN where none is."""
        near = self.true_near_um + self.predicted_near_um
        return ratio(near, self.true_um + self.predicted_um)

    def to_record(self) -> dict[str, Any]:
        """Return a plain table for JSON that ``from_record`` reads back."""
        arrays = {name: to_plain(getattr(self, name)) for name in _ARRAYS}
        return {"tolerance_um": self.tolerance_um} | arrays

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "SurfaceScores":
        """Read what ``to_record`` made."""
        return cls(float(record["tolerance_um"]), *(to_floats(record[name]) for name in _ARRAYS))

    def __post_init__(self) -> None:
        if len({getattr(self, name).shape for name in _ARRAYS}) != 1:
            raise ConfigError("surface scores: each needs one value per class")


_ARRAYS = ("true_um", "predicted_um", "true_near_um", "predicted_near_um", "hausdorff95_um")
