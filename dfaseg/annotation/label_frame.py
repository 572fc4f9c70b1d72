"""Where the pixels of a label lie on a slide."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfaseg.errors import ConfigError


@dataclass(frozen=True, slots=True)
class LabelFrame:
    """Size of a label, and how its pixels lie on the slide.

    A label pixel ``x`` spans ``corner_x + x * scale_x`` to ``corner_x + (x + 1) * scale_x`` in
    level-0 px.

    Attributes:
        width: Columns.
        height: Rows.
        scale_x: Level-0 px per label px, horizontally.
        scale_y: The same, vertically.
        corner_x: Left border of the first pixel, in level-0 px.
        corner_y: Its upper border.
    """

    width: int
    height: int
    scale_x: float = 1.0
    scale_y: float = 1.0
    corner_x: float = 0.0
    corner_y: float = 0.0

    def __post_init__(self) -> None:
        if min(self.width, self.height, self.scale_x, self.scale_y) <= 0:
            raise ConfigError(
                f"label of {self.width} × {self.height} px, {self.scale_x} × {self.scale_y} level-0"
                " px each: all must be positive"
            )

    def place(self, vertices: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return level-0 places ``(n, 2)``, (x, y), in label px."""
        corner = np.array([self.corner_x, self.corner_y])
        placed: NDArray[np.float64] = np.subtract(vertices, corner, dtype=np.float64)
        placed /= np.array([self.scale_x, self.scale_y])
        return placed
