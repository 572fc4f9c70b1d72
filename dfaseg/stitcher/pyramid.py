"""Coarser copies of a mask: each pixel takes the commonest class of the four below it."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dfaseg.analysed import analysed_pieces
from dfaseg.classmap import IGNORE_INDEX

_BLOCK_PX = 1 << 16
"""Pixels halved at a time, so few that they stay in the processor's cache."""

Labels = NDArray[np.uint8]


def halve_mode(rows: Labels) -> Labels:
    """Halve rows of class indices along both axes by majority.

    Of the most frequent values of a 2 × 2 block the first in reading order wins; 255 is a value
    like any other. An odd last column counts twice.

    Args:
        rows: An even number of rows, shape ``(2 h, w)``.

    Returns:
        Shape ``(h, ceil(w / 2))``.
    """
    if rows.shape[1] % 2:
        rows = np.concatenate([rows, rows[:, -1:]], axis=1)
    halved = np.full((len(rows) // 2, rows.shape[1] // 2), IGNORE_INDEX, np.uint8)
    for first, end in analysed_pieces(rows):
        left, right = first // 2, -(-end // 2)
        step = max(1, _BLOCK_PX // (4 * (right - left)))
        for top in range(0, len(halved), step):
            block = rows[2 * top : 2 * (top + step), 2 * left : 2 * right]
            _halve_block(block, halved[top : top + step, left:right])
    return halved


def _halve_block(rows: Labels, halved: Labels) -> None:
    """Halve rows ``(2 h, 2 w)`` into ``(h, w)``."""
    # Both pixels of a row are taken as one number, the left one in its lower byte.
    upper, lower = (np.ascontiguousarray(rows[line::2]).view("<u2") for line in (0, 1))
    modes = upper.astype(np.uint8)
    # The first pixel loses only where it is alone, which is rare.
    same = modes * np.uint16(257)
    alone = (lower.view(np.uint8) != same.view(np.uint8)).view("<u2") == 257
    alone &= upper != same
    places = np.flatnonzero(alone)
    if places.size:
        pixels = [pair.take(places) for pair in (upper, lower)]
        a, b, c, d = (part.astype(np.uint8) for pair in pixels for part in (pair, pair >> 8))
        others = np.where((b == c) | (b == d), b, np.where(c == d, c, a))
        modes.reshape(-1)[places] = others
    halved[:] = modes


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
