"""Rows of the mask frame on a device, from strips of native tiles to patches."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dfaseg.geometry import TileGrid
from dfaseg.inference.on_device.shrink import DeviceShrinker
from dfaseg.inference.on_device.strip_feed import DeviceStrip
from dfaseg.tiler.plan import ReadPlan
from dfaseg.tiler.strips import WHITE


class RowBand:
    """The last rows of the mask frame, kept until every tile on them is cut.

    Rows are shrunk in whole periods of the two pixel grids: as many level rows as the numerator of
    the scale give as many mask rows as its denominator. What of a strip does not fill a period
    waits for the next.

    Args:
        plan: Level and scale that are read.
        grid: Tiles over the plan's mask frame.
        selected: Tiles that are cut, shape ``(grid.num_rows, grid.num_cols)``.
        shrink: Shrinks whole periods.
        device: Where rows lie.
    """

    def __init__(
        self,
        plan: ReadPlan,
        grid: TileGrid,
        selected: NDArray[np.bool_],
        shrink: DeviceShrinker,
        device: torch.device,
    ) -> None:
        self._plan = plan
        self._grid = grid
        self._shrink = shrink
        self._device = device
        self._scale_x, self._scale_y = plan.decoded_scale_x, plan.decoded_scale_y
        self._period = self._scale_y.numerator
        periods = -(-plan.width // self._scale_x.denominator)
        self.source_width = periods * self._scale_x.numerator
        # Patches of the last column may overhang the mask.
        self._width = max(
            periods * self._scale_x.denominator,
            (grid.num_cols - 1) * grid.stride_px + grid.patch_px,
        )
        rows, cols = selected.nonzero()
        self._columns = torch.from_numpy(cols).to(device)
        self._first_column = np.searchsorted(rows, np.arange(grid.num_rows + 1)).tolist()
        self._carried: Tensor | None = None
        self._parts: list[tuple[int, Tensor]] = []
        self._end = 0
        self._rows_above = 0

    def begin_at(self, mask_row: int, tile_height: int) -> int:
        """Begin with the period that holds a mask row, before the first strip is appended.

        Args:
            mask_row: The first row that will be asked for.
            tile_height: Rows of a strip.

        Returns:
            The first strip to append.
        """
        period = mask_row // self._scale_y.denominator
        self._end = period * self._scale_y.denominator
        strip, self._rows_above = divmod(period * self._period, tile_height)
        return strip

    def append(self, strip: DeviceStrip) -> None:
        """Add the rows of the next strip."""
        rows = strip.pixels[self._rows_above :, : self.source_width]
        self._rows_above = 0
        if self._carried is not None:
            rows = torch.cat([self._carried, rows])
        if strip.is_last:
            rows = torch.cat([rows, self._white(-len(rows) % self._period, self.source_width)])
        whole = len(rows) // self._period * self._period
        self._carried = rows[whole:]
        if whole:
            part = self._shrink(rows[:whole])
            self._parts.append((self._end, part))
            self._end += len(part)

    def has_tile_row(self, row: int) -> bool:
        """Tell whether all pixels of a row of tiles are there."""
        bottom = row * self._grid.stride_px + self._grid.patch_px
        return self._end >= min(bottom, self._plan.height)

    def patches(self, row: int) -> Tensor:
        """Cut the selected tiles of a row, from left to right.

        Returns:
            RGB, uint8 ``(n, patch_px, patch_px, 3)``; white beyond the mask.
        """
        side, top = self._grid.patch_px, row * self._grid.stride_px
        rows = self._white(side, self._width)
        for y, part in self._parts:
            piece = part[max(0, top - y) : max(0, top + side - y)]
            start = max(0, y - top)
            rows[start : start + len(piece), : piece.shape[1]] = piece
        columns = self._columns[self._first_column[row] : self._first_column[row + 1]]
        by_column = rows.unfold(1, side, self._grid.stride_px)  # (side, columns, 3, side)
        return by_column.index_select(1, columns).permute(1, 0, 3, 2)

    def forget_before(self, y: int) -> None:
        """Drop what ends above a mask row."""
        self._parts = [(start, part) for start, part in self._parts if start + len(part) > y]

    def _white(self, num_rows: int, width: int) -> Tensor:
        shape = (num_rows, width, 3)
        return torch.full(shape, WHITE, dtype=torch.uint8, device=self._device)
