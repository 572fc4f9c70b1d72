"""From a coarse field of logits to class indices at full resolution, exactly and fast."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.mapped_memory import mapped_array
from dfaseg.stitcher.cell_progress import CellProgress

Logits = NDArray[np.float32]
Labels = NDArray[np.uint8]
Flags = NDArray[np.bool_]
Runs = NDArray[np.void]

_SLAB_CELLS = 1 << 17
"""Cells worked on at a time, so few that what is made of them stays in the processor's cache; the
result does not depend on it."""
_PIXELS_AT_ONCE = 1 << 17
"""Pixels of mixed squares refined at a time, for the same reason."""


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
            return _class_of_cells(cells)
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
        self._label_squares(above.followed_by(cells.rows(0, 1)), labels[:stride])
        slab = max(1, _SLAB_CELLS // self._progress.width_cells)
        for first in range(0, num_rows - 1, slab):
            end = min(first + slab, num_rows - 1)
            part = labels[(first + 1) * stride : (end + 1) * stride]
            self._label_squares(cells.rows(first, end + 1), part)
        if self._progress.is_complete:
            self._label_squares(last.followed_by(last), labels[-stride:])
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

    def _label_squares(self, cells: _CellRows, labels: Labels) -> None:
        """Label the squares between ``n`` rows of cell centres.

        Args:
            cells: The rows.
            labels: What is written, ``((n - 1) * stride, (width_cells + 1) * stride)``; it begins
                half a cell to the left of and above the cells' own corner.
        """
        half, stride = self._stride // 2, self._stride
        num_rows, num_cols = len(cells.covered) - 1, self._progress.width_cells + 1
        classes = np.empty((num_rows + 1, num_cols + 1), np.uint8)
        classes[:, 1:-1] = _class_of_cells(cells)
        classes[:, 0], classes[:, -1] = classes[:, 1], classes[:, -2]
        nearest = _repeat(classes, stride)[:, half:-half]
        lines = labels.reshape(num_rows, stride, num_cols * stride)
        lines[:, :half] = nearest[:-1, None]
        lines[:, half:] = nearest[1:, None]
        same = (classes[:-1, :-1] == classes[:-1, 1:]) & (classes[1:, :-1] == classes[1:, 1:])
        mixed = np.flatnonzero(~(same & (classes[:-1, :-1] == classes[1:, :-1])))
        # A square's row of pixels is copied as one value.
        runs = labels.reshape(-1).view(f"V{stride}")
        step = max(1, _PIXELS_AT_ONCE // stride**2)
        for start in range(0, mixed.size, step):
            rows, cols = np.divmod(mixed[start : start + step], num_cols)
            refined = self._refine(cells, rows, cols)
            first = rows * (stride * num_cols) + cols
            for line in range(stride):
                runs[first + line * num_cols] = refined[line]

    def _refine(self, cells: _CellRows, rows: NDArray[np.intp], cols: NDArray[np.intp]) -> Runs:
        """Interpolate mixed squares and take the argmax.

        Elementwise products and sums are correctly rounded whatever the array's size, unlike a
        matrix product; results must not depend on how squares are grouped.

        Returns:
            The rows of pixels of all squares, each as one value, ``(stride, m)``.
        """
        width, stride = self._progress.width_cells, self._stride
        left, right = np.maximum(cols - 1, 0), np.minimum(cols, width - 1)
        corners = [rows * width + left, rows * width + right]
        corners += [corner + width for corner in corners]
        covered = [cells.covered.reshape(-1).take(corner) for corner in corners]
        gaps = [np.flatnonzero(~flags) for flags in covered]
        first, *others = (
            [_take_covered(plane, *places) for places in zip(corners, gaps, strict=True)]
            for plane in cells.logits.reshape(self._progress.num_classes, -1)
        )
        race = _Race(self._interpolate(first))
        for values in others:
            race.enter(self._interpolate(values))
        _leave_out(race.winners, gaps)
        by_square = np.empty((stride, len(rows), stride), np.uint8)
        for column in range(stride):
            by_square[:, :, column] = race.winners[:, column]
        return by_square.reshape(stride, -1).view(f"V{stride}")

    def _interpolate(self, corners: list[Logits]) -> Logits:
        """Blend four corner values ``(m,)`` at each pixel of a square, ``(stride, stride, m)``."""
        near, far = self._weights
        top = near[:, None] * corners[0] + far[:, None] * corners[1]
        bottom = near[:, None] * corners[2] + far[:, None] * corners[3]
        blended: Logits = near[:, None, None] * top
        blended += far[:, None, None] * bottom
        return blended


def _repeat(classes: Labels, times: int) -> Labels:
    """Repeat each value of rows ``(n, w)`` an even number of times, ``(n, w * times)``."""
    # A number of several bytes holds several equal values: a tenth of the time of ``np.repeat``.
    size = math.gcd(times, 8)
    wide = classes.astype(f"u{size}")
    wide *= int.from_bytes(b"\1" * size)
    repeated = np.empty((*classes.shape, times // size), wide.dtype)
    repeated[:] = wide[:, :, None]
    return repeated.view(np.uint8).reshape(len(classes), -1)


def _corner_weights(stride: int) -> tuple[Logits, Logits]:
    """Return the weights of the near and the far cell at each pixel between two cell centres."""
    far = ((np.arange(stride) + 0.5) / stride).astype(np.float32)
    return np.float32(1) - far, far


def _take_covered(
    plane: NDArray[np.float32], places: NDArray[np.intp], gaps: NDArray[np.intp]
) -> Logits:
    """Return the values at some places of a flat plane, 0 at those of them that are gaps."""
    values = plane.take(places)
    values[gaps] = 0
    return values


def _leave_out(labels: Labels, gaps: list[NDArray[np.intp]]) -> None:
    """Set the quarters of squares, ``(stride, stride, m)``, to 255 where their cell is not covered.

    Args:
        labels: Changed in place.
        gaps: Squares whose upper left, upper right, lower left and lower right cell is not.
    """
    first, second = slice(len(labels) // 2), slice(len(labels) // 2, None)
    quarters = [(first, first), (first, second), (second, first), (second, second)]
    for (rows, cols), gap in zip(quarters, gaps, strict=True):
        labels[rows, cols, gap] = IGNORE_INDEX


class _Race:
    """Argmax over planes that come one by one, the first class of largest value winning.

    Args:
        first: Values of class 0, changed in place.
    """

    def __init__(self, first: Logits) -> None:
        self._best = first
        self._index = 0
        self.winners = np.zeros(first.shape, np.uint8)

    def enter(self, plane: Logits) -> None:
        """Take the next class's values."""
        self._index += 1
        # Indices only grow, so the winner is the largest index that was better when it came.
        better = (plane > self._best).view(np.uint8)
        better *= np.uint8(self._index)
        np.maximum(self.winners, better, out=self.winners)
        np.maximum(self._best, plane, out=self._best)


def _class_of_cells(cells: _CellRows) -> Labels:
    """Return the first class of largest logit, 255 where not covered, shape ``(n, w)``."""
    classes = np.full(cells.covered.shape, IGNORE_INDEX, np.uint8)
    columns = np.flatnonzero(cells.covered.any(axis=0))
    if columns.size == 0:
        return classes
    # Glass beside the tissue need not be looked at.
    here = slice(int(columns[0]), int(columns[-1]) + 1)
    first, *others = cells.logits[:, :, here]
    race = _Race(first.copy())
    for plane in others:
        race.enter(plane)
    np.copyto(classes[:, here], race.winners, where=cells.covered[:, here])
    return classes
