"""Mask vertices placed in level-0 pixels and written as text, many at a time."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfaseg.errors import ConfigError


@dataclass(frozen=True, slots=True)
class MaskFrame:
    """Where mask pixels lie in the frame that polygons are written in.

    A mask vertex ``(x, y)`` is written as ``(x * scale_x - origin_x, y * scale_y - origin_y)``.
    """

    scale_x: float
    """Level-0 px per mask px."""
    scale_y: float
    origin_x: float = 0
    """Level-0 px; the corner that viewers take as (0, 0)."""
    origin_y: float = 0

    def __post_init__(self) -> None:
        if not (0 < self.scale_x < math.inf and 0 < self.scale_y < math.inf):
            raise ConfigError(
                f"mask scale {self.scale_x} × {self.scale_y}: must be positive level-0 px per px"
            )

    @property
    def decimals(self) -> int:
        """Decimals that coordinates are written with.

        None where all are integers; else at least two, and always enough that a coordinate read
        back is within a tenth of a mask pixel, so that rounding gives the vertex exactly.
        """
        numbers = (self.scale_x, self.scale_y, self.origin_x, self.origin_y)
        if all(float(number).is_integer() for number in numbers):
            return 0
        return max(2, 1 + math.ceil(-math.log10(min(self.scale_x, self.scale_y))))

    def texts(self, numbers: range, axis: int) -> list[str]:
        """Return how mask coordinates of an axis (0 is x, 1 is y) are written."""
        scale = (self.scale_x, self.scale_y)[axis]
        origin = (self.origin_x, self.origin_y)[axis]
        decimals = self.decimals
        # Adding 0 turns a rounded -0.0 into 0.0.
        placed = (round(number * scale - origin, decimals) + 0 for number in numbers)
        return [f"{number:.{decimals}f}" for number in placed]


class VertexText:
    """Writes mask vertices as JSON.

    The text of every x and y is made once and looked up for each vertex, which is many times
    faster than formatting numbers.

    Args:
        frame: Where vertices lie.
    """

    def __init__(self, frame: MaskFrame) -> None:
        self._frame = frame
        self._texts = [np.empty(0, "S1"), np.empty(0, "S1")]
        self._lengths = [np.empty(0, np.intp), np.empty(0, np.intp)]

    def format(self, vertices: NDArray[np.int32]) -> tuple[bytes, NDArray[np.intp]]:
        """Return the text ``[x,y],`` of all vertices, and where each begins in it, ``(n + 1,)``.

        Args:
            vertices: ``(n, 2)``, (x, y) in mask pixels, not negative.
        """
        for axis in (0, 1):
            self._grow(axis, int(vertices[:, axis].max(initial=0)) + 1)
        x, y = vertices.T
        text = np.empty(len(vertices), [("x", self._texts[0].dtype), ("y", self._texts[1].dtype)])
        text["x"] = self._texts[0].take(x)
        text["y"] = self._texts[1].take(y)
        bounds = np.zeros(len(vertices) + 1, np.intp)
        np.cumsum(self._lengths[0].take(x) + self._lengths[1].take(y), out=bounds[1:])
        # Shorter texts end in zero bytes.
        return text.tobytes().translate(None, b"\0"), bounds

    def _grow(self, axis: int, size: int) -> None:
        known = self._texts[axis].size
        if size <= known:
            return
        numbers = self._frame.texts(range(known, max(size, 2 * known)), axis)
        new = [f"[{number}," if axis == 0 else f"{number}]," for number in numbers]
        self._texts[axis] = np.concatenate([self._texts[axis], np.array(new, "S")])
        lengths = np.array([len(text) for text in new], np.intp)
        self._lengths[axis] = np.concatenate([self._lengths[axis], lengths])
