"""The rows of a mask that are traced together, without the columns in which there is only glass."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfaseg.analysed import analysed_pieces
from dfaseg.annotation.rings import concatenate_ranges
from dfaseg.classmap import IGNORE_INDEX


@dataclass(frozen=True, slots=True)
class Strip:
    """Some mask rows below the last row of the strip before.

    Pixels that are not analysed have no border of their own, so columns of nothing else are left
    out. What is left lies side by side, with a column of 255 at either side of each piece.
    """

    padded: NDArray[np.uint8]
    """Pixels ``(h, w)``; first the last row of the strip before."""
    columns: NDArray[np.int32]
    """The mask's lattice column along the right-hand side of each pixel, rising, ``(w,)``."""
    pixels: NDArray[np.intp]
    """The inverse: the pixel to the left of each lattice column; 0 where it is left out."""
    first_line: int
    """The y of the line between the first two rows."""
    num_columns: int
    """Lattice columns of the mask, one more than it has pixels."""

    @property
    def is_glass(self) -> bool:
        """Tell whether no pixel is analysed."""
        return self.columns.size == 0

    def classes_at(self, keys: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the pixels below and right of vertices; anything where these are elsewhere."""
        row, x = np.divmod(keys, self.num_columns)
        found: NDArray[np.uint8] = self.padded[
            np.maximum(row - self.first_line + 1, 0), self.pixels[x + 1]
        ]
        return found


class StripCutter:
    """Takes mask rows and makes strips of them.

    Args:
        width: Width of the mask in px.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        # Pixels of a strip, used again for the next one.
        self._buffer = np.empty(0, np.uint8)

    def cut(self, last_row: NDArray[np.uint8], rows: NDArray[np.uint8], first_line: int) -> Strip:
        """Return the strip of some rows; it holds until the next is cut.

        Args:
            last_row: Mask row above, ``(width,)``.
            rows: Mask rows, ``(h, width)``.
            first_line: The y of the line above ``rows``.
        """
        pieces = list(analysed_pieces(last_row[None], rows))
        firsts, ends = np.array(pieces, np.intp).reshape(-1, 2).T
        places = np.cumsum(np.append(0, ends - firsts + 2))
        shape = (len(rows) + 1, int(places[-1]))
        if self._buffer.size < shape[0] * shape[1]:
            self._buffer = np.empty(shape[0] * shape[1], np.uint8)
        padded = self._buffer[: shape[0] * shape[1]].reshape(shape)
        padded[:, places[:-1]] = padded[:, places[1:] - 1] = IGNORE_INDEX
        for place, (first, end) in zip(places.tolist(), pieces, strict=False):
            span = slice(place + 1, place + 1 + end - first)
            padded[0, span] = last_row[first:end]
            padded[1:, span] = rows[:, first:end]
        columns = concatenate_ranges(firsts, ends - firsts + 2)
        pixels = np.zeros(self._width + 2, np.intp)
        pixels[columns] = np.arange(columns.size)
        return Strip(padded, columns.astype(np.int32), pixels, first_line, self._width + 1)
