"""A score and how far it could be off."""

import math
from dataclasses import dataclass

from dfaseg.evaluation.records import to_number


@dataclass(frozen=True, slots=True)
class Estimate:
    """A score and its 95 % interval.

    Attributes:
        value: The score; NaN where it is not defined.
        low: Lower end; NaN where there is no interval.
        high: Upper end.
    """

    value: float
    low: float = math.nan
    high: float = math.nan

    @property
    def has_interval(self) -> bool:
        """Whether both ends are known."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def to_record(self) -> dict[str, float | None]:
        """Return a plain table for JSON."""
        return {
            "value": to_number(self.value), "low": to_number(self.low),
            "high": to_number(self.high),
        }  # fmt: skip
