"""What people drew on a slide, whichever program they drew it in."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class AnnotatedPolygon:
    """One polygon and what it is said to show; rings are ``(n, 2)``, (x, y), open, level-0 px."""

    class_name: str
    exterior: NDArray[np.float64]
    holes: tuple[NDArray[np.float64], ...]

    @property
    def rings(self) -> tuple[NDArray[np.float64], ...]:
        """Exterior and holes."""
        return (self.exterior, *self.holes)


@dataclass(frozen=True, slots=True, eq=False)
class Annotations:
    """The polygons of one file, in its order, and what became of the rest.

    Attributes:
        polygons: Valid polygons; later ones lie over earlier ones.
        num_repaired: Drawn shapes that crossed or touched themselves and were made valid.
        skipped: How many objects were left out, by what they are, e.g. ``point`` or
            ``shape without area``.
    """

    polygons: tuple[AnnotatedPolygon, ...]
    num_repaired: int
    skipped: Mapping[str, int]
