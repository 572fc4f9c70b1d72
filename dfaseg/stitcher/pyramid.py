"""Coarser copies of a mask: each pixel takes the commonest class of the four below it."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dfaseg.native.halve import halve_mode

Labels = NDArray[np.uint8]


def level_shapes(height: int, width: int, num_levels: int) -> list[tuple[int, int]]:
    """Return ``(height, width)`` of each level, halved and rounded up step by step."""
    shapes = [(height, width)]
    for _ in range(num_levels - 1):
        height, width = -(-height // 2), -(-width // 2)
        shapes.append((height, width))
    return shapes


class PyramidRows:
    """Makes the rows of all levels while rows of the finest level stream in.

    Keeps at most one row per level: the upper one of a pair that is not complete.

    Args:
        height: Rows of the finest level.
        width: Columns of the finest level.
        num_levels: Levels, the finest included; each halves the one before.
    """

    def __init__(self, height: int, width: int, num_levels: int) -> None:
        self._shapes = level_shapes(height, width, num_levels)
        self._rows_done = [0] * num_levels
        self._pending = [np.empty((0, columns), np.uint8) for _, columns in self._shapes]

    def add(self, rows: Labels) -> list[Labels]:
        """Take rows of the finest level and return the rows they finish on each level.

        Args:
            rows: Class indices, shape ``(n, width)``, the next rows from the top.

        Returns:
            One array per level, shape ``(n_level, width_level)``, with the given rows first;
            some may have no rows.

        Raises:
            ValueError: The rows are too many or of another width.
        """
        height, width = self._shapes[0]
        if rows.shape[1] != width or self._rows_done[0] + len(rows) > height:
            raise ValueError(
                f"{len(rows)} rows of {rows.shape[1]} px after row {self._rows_done[0]}: "
                f"the mask has {width} × {height} px"
            )
        finished = [rows]
        self._rows_done[0] += len(rows)
        for level in range(1, len(self._shapes)):
            rows = self._halve_into(level, rows)
            finished.append(rows)
        return finished

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return what a later run needs to go on: rows done and the row kept per level."""
        pending = {f"pending_{level}": rows.copy() for level, rows in enumerate(self._pending)}
        return {"rows_done": np.array(self._rows_done, dtype=np.int64), **pending}

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Go on from what ``state`` returned on a pyramid of the same size."""
        self._rows_done = [int(count) for count in state["rows_done"]]
        self._pending = [
            np.array(state[f"pending_{level}"], dtype=np.uint8)
            for level in range(len(self._shapes))
        ]

    def _halve_into(self, level: int, rows: Labels) -> Labels:
        """Halve rows of the level above, together with the one kept, into rows of ``level``."""
        if len(self._pending[level]):
            rows = np.concatenate([self._pending[level], rows])
        is_last = self._rows_done[level - 1] == self._shapes[level - 1][0]
        if is_last and len(rows) % 2:
            rows = np.concatenate([rows, rows[-1:]])
        even = len(rows) // 2 * 2
        self._pending[level] = rows[even:].copy()
        halved = halve_mode(rows[:even])
        self._rows_done[level] += len(halved)
        return halved
