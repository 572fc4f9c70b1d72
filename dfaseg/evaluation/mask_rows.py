"""Rows of a mask that are in memory."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfaseg.classmap import ClassMap
from dfaseg.evaluation.align import Frame


class MaskRows:
    """All rows of a mask, or some that follow each other; see ``MaskFile``.

    Args:
        path: Where it was read.
        frame: Size and place of the whole mask.
        codes: Codes as stored, ``(rows, frame.width)``.
        first_row: Which row of the mask is the first one.
    """

    def __init__(self, path: Path, frame: Frame, codes: NDArray[Any], first_row: int = 0) -> None:
        self.path, self.frame = path, frame
        self.classes: ClassMap | None = None
        self.slide_id: str | None = None
        self._codes, self._first_row = codes, first_row

    def read_rows(self, top: int, bottom: int) -> NDArray[Any]:
        """Return codes of rows that are there; see ``MaskFile``."""
        return self._codes[top - self._first_row : bottom - self._first_row]

    def within(self, top: int, bottom: int) -> "MaskRows":
        """Return only some rows; see ``MaskFile``."""
        return MaskRows(self.path, self.frame, self.read_rows(top, bottom), top)

    def close(self) -> None:
        """Free the memory."""
        self._codes = np.empty((0, 0), np.uint8)
