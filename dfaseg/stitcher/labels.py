"""From a coarse field of logits to class indices at full resolution, exactly and fast."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfaseg.mapped_memory import mapped_array
from dfaseg.native.label import Flags, Labels, Logits, classify_cells, label_squares
from dfaseg.stitcher.cell_progress import CellProgress


@dataclass(frozen=True, slots=True)
class _CellRows:
    """Consecutive rows of cells: logits ``(k, n, w)``, which of them are covered ``(n, w)``."""

    logits: Logits
    covered: Flags

    def rows(self, first: int, last: int) -> "_CellRows":
        return _CellRows(self.logits[:, first:last], self.covered[first:last])

    def followed_by(self, other: "_CellRows") -> "_CellRows":
        return _CellRows(
            np.concatenate([self.logits, other.logits], axis=1),
            np.concatenate([self.covered, other.covered]),
        )


class LabelUpsampler:
    """Turns rows of logits at the network's stride into mask rows at full resolution.

    The mask is the argmax of the bilinearly upsampled logits (pixel centres aligned as in
    ``align_corners=False``, edges clamped); the lowest class wins a tie. A pixel is analysed
    where the cell it lies in is covered, otherwise it is 255. Interpolation counts covered cells
    only, which is the same as giving uncovered cells the logit 0 for every class: what is left
    out scales all classes alike. Both rules look at neighbouring cells only, so the result does
    not depend on how the rows are cut into calls.

    Most pixels need no interpolation. Bilinear weights are convex: in the square between four
    cell centres that share their argmax, every pixel has that argmax too. Only mixed squares,
    those on class borders, are interpolated.

    Args:
        num_classes: Number of classes ``k``.
        width_px: Columns of the mask.
        height_px: Rows of the mask.
        stride: Mask pixels per cell along each axis: 1 or an even number.

    Raises:
        ConfigError: The stride is odd and not 1.
    """

    def __init__(self, num_classes: int, width_px: int, height_px: int, stride: int) -> None:
        self._progress = CellProgress(num_classes, width_px, height_px, stride)
        self._stride = stride
        self._last: _CellRows | None = None
        self._weights = _corner_weights(stride)

    @property
    def next_row_px(self) -> int:
        """First mask row that ``add`` has not returned yet."""
        return self._progress.next_row_px

    def add(self, logits: Logits, covered: Flags) -> Labels:
        """Take the next rows of cells and return the mask rows they finish.

        Args:
            logits: Float32, shape ``(k, n, width_cells)``.
            covered: Which cells were analysed, shape ``(n, width_cells)``.

        Returns:
            Class indices, 255 where not analysed, shape ``(m, width_px)``. Half a cell is held
            back until the row below it is known; the last row of cells gives all that is left.

        Raises:
            ValueError: There are more rows than the mask has.
        """
        cells = _CellRows(logits, covered)
        num_rows, stride = len(covered), self._stride
        crop = self._progress.count(num_rows)
        if stride == 1:
            return classify_cells(logits, covered)
        if num_rows == 0:
            return np.empty((0, self._progress.width_px), np.uint8)
        # Clamped edges: the first and the last row of cells meet themselves.
        above = self._last or cells.rows(0, 1)
        last = cells.rows(-1, num_rows)
        self._last = _CellRows(last.logits.copy(), last.covered.copy())
        num_lines = num_rows + self._progress.is_complete
        labels = mapped_array(
            (num_lines * stride, (self._progress.width_cells + 1) * stride), np.uint8
        )
        self._label(above.followed_by(cells.rows(0, 1)), labels[:stride])
        self._label(cells, labels[stride : num_rows * stride])
        if self._progress.is_complete:
            self._label(last.followed_by(last), labels[-stride:])
        return labels[crop]

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return what a later run needs to go on: the position and the last row of cells."""
        last = self._last
        return self._progress.state((last.logits, last.covered) if last else None)

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Go on from what ``state`` returned on an upsampler of the same size.

        Raises:
            ConfigError: The state belongs to another mask size or number of classes.
        """
        last = self._progress.restore(state)
        self._last = last and _CellRows(*last)

    def _label(self, cells: _CellRows, labels: Labels) -> None:
        """Label the squares between rows of cell centres."""
        label_squares(cells.logits, cells.covered, *self._weights, labels)


def _corner_weights(stride: int) -> tuple[Logits, Logits]:
    """Return the weights of the near and the far cell at each pixel between two cell centres."""
    far = ((np.arange(stride) + 0.5) / stride).astype(np.float32)
    return np.float32(1) - far, far
