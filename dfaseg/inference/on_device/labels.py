"""From a coarse field of logits to class indices at full resolution, on the device they lie on.

Gives the very bits of ``stitcher.labels``, by the same products and sums in the same order, each
rounded by itself. Where the host looks for squares that need no interpolation, a device computes
all of them: it is faster at that than at looking.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.stitcher.canvas import ReleasedRows
from dfaseg.stitcher.cell_progress import CellProgress

_SLAB_PX = 1 << 23
"""Mask pixels worked on at a time, which bounds temporary memory to some 200 MB."""


class _Cells(NamedTuple):
    """Consecutive rows of cells: logits ``(k, n, w)``, which of them are covered ``(n, w)``."""

    logits: Tensor
    covered: Tensor

    def rows(self, first: int, last: int) -> "_Cells":
        return _Cells(self.logits[:, first:last], self.covered[first:last])


class DeviceLabels:
    """Turns rows of logits at the network's stride into mask rows; see ``LabelUpsampler``.

    Args:
        num_classes: Number of classes ``k``.
        width_px: Columns of the mask.
        height_px: Rows of the mask.
        stride: Mask pixels per cell along each axis: 1 or an even number.
        device: Where logits lie.

    Raises:
        ConfigError: The stride is odd and not 1.
    """

    def __init__(
        self, num_classes: int, width_px: int, height_px: int, stride: int, device: torch.device
    ) -> None:
        self._progress = CellProgress(num_classes, width_px, height_px, stride)
        self._stride = stride
        self._device = device
        self._last: _Cells | None = None
        self._far = ((torch.arange(stride, device=device) + 0.5) / stride).float()
        self._near = 1 - self._far

    @property
    def next_row_px(self) -> int:
        """First mask row that ``add`` has not returned yet."""
        return self._progress.next_row_px

    @torch.inference_mode()
    def add(self, rows: ReleasedRows) -> Tensor:
        """Take the next rows of cells and return the mask rows they finish.

        Returns:
            Class indices, uint8 ``(m, width_px)``, 255 where not analysed, on the device.
        """
        cells = _Cells(rows.logits, rows.covered)
        slab = max(1, _SLAB_PX // (self._progress.width_cells * self._stride**2))
        parts = [
            self._add_slab(cells.rows(start, start + slab))
            for start in range(0, len(rows.covered), slab)
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return what a later run needs to go on, on whatever device."""
        last = self._last
        arrays = (last.logits.cpu().numpy(), last.covered.cpu().numpy()) if last else None
        return self._progress.state(arrays)

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Go on from what ``state`` returned, here or in a ``LabelUpsampler`` of the same size.

        Raises:
            ConfigError: The state belongs to another mask size or number of classes.
        """
        last = self._progress.restore(state)
        self._last = last and _Cells(*(torch.from_numpy(part).to(self._device) for part in last))

    def _add_slab(self, cells: _Cells) -> Tensor:
        crop = self._progress.count(len(cells.covered))
        if self._stride == 1:
            return _classes(cells)
        # Clamped edges: the first and the last row of cells meet themselves.
        parts = [self._last or cells.rows(0, 1), cells]
        last = cells.rows(-1, len(cells.covered))
        self._last = _Cells(last.logits.clone(), last.covered.clone())
        if self._progress.is_complete:
            parts.append(last)
        logits = torch.cat([part.logits for part in parts], dim=1)
        covered = torch.cat([part.covered for part in parts])
        return self._squares(_Cells(logits, covered))[crop]

    def _squares(self, cells: _Cells) -> Tensor:
        """Label the squares between ``n`` rows of cell centres.

        Returns:
            Shape ``((n - 1) * stride, (width_cells + 1) * stride)``; it begins half a cell to the
            left of and above the cells' own corner.
        """
        classes = _edges_repeated(_classes(cells))
        covered = _edges_repeated(cells.covered)
        wanted = cells.logits * cells.covered  # what is not covered counts as 0
        best = index = None
        for number, plane in enumerate(wanted):
            value = self._interpolated(_edges_repeated(plane))
            if best is None or index is None:
                best, index = value, torch.zeros_like(value, dtype=torch.uint8)
                continue
            index.masked_fill_(value > best, number)
            best = torch.maximum(best, value)
        assert index is not None  # there is at least one class
        is_same = _all_corners_equal(classes)[:, None, :, None]
        labels = torch.where(is_same, classes[:-1, None, :-1, None], index)
        labels = labels.reshape(labels.shape[0] * self._stride, -1)
        return labels.masked_fill_(~self._nearest(covered), IGNORE_INDEX)

    def _interpolated(self, plane: Tensor) -> Tensor:
        """Blend four neighbours ``(n, w)`` at each pixel between, ``(n - 1, s, w - 1, s)``."""
        near, far = self._near, self._far
        across = near * plane[:, :-1, None] + far * plane[:, 1:, None]
        near, far = near[:, None, None], far[:, None, None]
        return near * across[:-1, None] + far * across[1:, None]

    def _nearest(self, cells: Tensor) -> Tensor:
        """Give each pixel of the squares the value of the cell it lies in."""
        half = self._stride // 2
        rows = cells.repeat_interleave(self._stride, dim=0)[half:-half]
        return rows.repeat_interleave(self._stride, dim=1)[:, half:-half]


def _classes(cells: _Cells) -> Tensor:
    """Return the first class of largest logit, 255 where not covered, uint8 ``(n, w)``."""
    best, index = cells.logits[0], torch.zeros_like(cells.covered, dtype=torch.uint8)
    for number, plane in enumerate(cells.logits[1:], start=1):
        index.masked_fill_(plane > best, number)
        best = torch.maximum(best, plane)
    return index.masked_fill_(~cells.covered, IGNORE_INDEX)


def _edges_repeated(plane: Tensor) -> Tensor:
    """Repeat the first and the last column of a plane ``(n, w)``."""
    return torch.cat([plane[:, :1], plane, plane[:, -1:]], dim=1)


def _all_corners_equal(classes: Tensor) -> Tensor:
    """Tell for each square between four cells whether they share their class."""
    across = classes[:, :-1] == classes[:, 1:]
    down = classes[:-1] == classes[1:]
    return across[:-1] & across[1:] & down[:, :-1]
