"""How far a mask is labelled, in rows of cells, and which of its pixels those finish."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dfaseg.errors import ConfigError

LastRow = tuple[NDArray[np.float32], NDArray[np.bool_]]
"""Logits ``(k, n, width_cells)`` and which cells are covered ``(n, width_cells)``; n is 0 or 1."""


class CellProgress:
    """Counts the rows of cells that were labelled, and knows where their pixels lie.

    Args:
        num_classes: Number of classes ``k``.
        width_px: Columns of the mask.
        height_px: Rows of the mask.
        stride: Mask pixels per cell along each axis: 1 or an even number.

    Raises:
        ConfigError: The stride is odd and not 1.
    """

    def __init__(self, num_classes: int, width_px: int, height_px: int, stride: int) -> None:
        if stride != 1 and (stride < 1 or stride % 2):
            raise ConfigError(f"output stride {stride} px: it must be 1 or an even number")
        self.num_classes = num_classes
        self.width_px = width_px
        self.stride = stride
        self.width_cells = -(-width_px // stride)
        self._height_px = height_px
        self._height_cells = -(-height_px // stride)
        self._next_row = 0

    @property
    def is_complete(self) -> bool:
        """Whether all rows were counted."""
        return self._next_row == self._height_cells

    @property
    def next_row_px(self) -> int:
        """First mask row that is not finished: half a cell waits for the row below it."""
        if self.is_complete:
            return self._height_px
        return max(0, self._next_row * self.stride - self.stride // 2)

    def count(self, num_rows: int) -> tuple[slice, slice]:
        """Count the next rows of cells.

        Returns:
            Rows and columns that lie in the mask, of pixels that begin half a cell above and to
            the left of these cells.

        Raises:
            ValueError: There are more rows than the mask has.
        """
        half = self.stride // 2
        top_px = self._next_row * self.stride - half
        if self._next_row + num_rows > self._height_cells:
            raise ValueError(f"more than the mask's {self._height_cells} rows of cells")
        self._next_row += num_rows
        rows = slice(max(0, -top_px), self._height_px - top_px)
        return rows, slice(half, half + self.width_px)

    def state(self, last: LastRow | None) -> dict[str, NDArray[np.generic]]:
        """Return what a later run needs to go on: the position and the last row of cells."""
        logits, covered = last or (
            np.zeros((self.num_classes, 0, self.width_cells), np.float32),
            np.zeros((0, self.width_cells), np.bool_),
        )
        return {
            "next_cell_row": np.array(self._next_row, dtype=np.int64),
            "logits": logits.copy(),
            "covered": covered.copy(),
        }

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> LastRow | None:
        """Go on from what ``state`` returned for a mask of the same size; return the last row.

        Raises:
            ConfigError: The state belongs to another mask size or number of classes.
        """
        logits = np.asarray(state["logits"], dtype=np.float32)
        if logits.shape[::2] != (self.num_classes, self.width_cells):
            raise ConfigError("saved upsampler: it belongs to another slide or model")
        self._next_row = int(state["next_cell_row"])
        covered = np.asarray(state["covered"], dtype=np.bool_)
        return (logits, covered) if len(covered) else None
