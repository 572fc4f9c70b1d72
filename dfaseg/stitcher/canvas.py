"""The moving band in which overlapping tiles become one field of logits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dfaseg.errors import ConfigError
from dfaseg.geometry import Tile, TileGrid
from dfaseg.mapped_tensor import held_tensor
from dfaseg.stitcher.blend import BlendMode, blend_weights

_RELEASED_CELLS = 1 << 19
"""Most cells released at a time, 15 MB for 7 classes; several such parts may be under way."""


@dataclass(frozen=True, slots=True)
class ReleasedRows:
    """Finished rows of cells.

    Attributes:
        first_row: Index of the first row, in cells.
        logits: Blended logits, float32 ``(k, n, width_cells)``, on the canvas's device; 0 where
            not covered.
        covered: Which cells some tile reached, bool ``(n, width_cells)``.
    """

    first_row: int
    logits: Tensor
    covered: Tensor


class Canvas:
    """Weighted sum of tiles' logits in a band of rows that moves down the slide.

    A cell is one value of the network's output: a square of ``logit_stride`` mask pixels. The band
    holds as many rows of cells as a patch and one step of the grid, whatever the slide's height.
    It is a ring buffer, so moving it copies nothing.

    Products and sums are separate, correctly rounded operations in the order of the tiles; the
    result therefore depends neither on the batch size nor on how often rows are released.

    Args:
        num_classes: Number of classes ``k``.
        grid: Where tiles lie, in mask pixels; patch and overlap are multiples of ``logit_stride``.
        logit_stride: Mask pixels per cell.
        blend: How overlapping tiles share a cell.
        device: Where the band lives.

    Raises:
        ConfigError: Patch or overlap is not a multiple of the stride.
    """

    def __init__(
        self,
        num_classes: int,
        grid: TileGrid,
        logit_stride: int,
        blend: BlendMode,
        device: torch.device | str = "cpu",
    ) -> None:
        if grid.patch_px % logit_stride or grid.overlap_px % logit_stride:
            raise ConfigError(
                f"patch {grid.patch_px} px with overlap {grid.overlap_px} px: "
                f"both must be multiples of the model's output stride, {logit_stride} px"
            )
        self._grid = grid
        self._stride = logit_stride
        self._patch = grid.patch_px // logit_stride
        self._step = grid.stride_px // logit_stride
        self.width_cells = -(-grid.width // logit_stride)
        self.height_cells = -(-grid.height // logit_stride)
        weights = blend_weights(blend, self._patch, self._patch - self._step)
        self._weights = torch.from_numpy(weights).to(device)
        # The last column may overhang the slide; the last channel sums the weights.
        band_width = (grid.num_cols - 1) * self._step + self._patch
        band_shape = (num_classes + 1, self._patch + self._step, max(band_width, self.width_cells))
        self._band = torch.zeros(band_shape, device=device)
        # Kept between batches: allocating it anew fragments memory.
        self._scratch = self._band.new_empty((0, num_classes + 1, self._patch, self._patch))
        self._first_row = 0
        self._touched_row = 0

    @torch.no_grad()
    def add(self, tiles: Sequence[Tile], logits: Tensor) -> None:
        """Add tiles to the band.

        Args:
            tiles: Places on the grid, in row-major order within and across calls.
            logits: Their logits, any float type, shape ``(n, k, patch_cells, patch_cells)``.

        Raises:
            ValueError: A tile lies above or below the band; release the rows above it first.
        """
        if len(tiles) > len(self._scratch):
            self._scratch = self._band.new_empty((len(tiles), *self._scratch.shape[1:]))
            self._scratch[:, -1] = self._weights
        weighted = self._scratch[: len(tiles)]
        torch.mul(logits, self._weights, out=weighted[:, :-1])
        for tile, patch in zip(tiles, weighted, strict=True):
            self._add_tile(tile, patch)

    @torch.no_grad()
    def release(self, until_px: int) -> ReleasedRows | None:
        """Take finished rows off the top of the band.

        Only part of a wide slide's rows, and never more than one step of the grid, is released at
        a time, so that neither width nor a tall gap in the tissue costs memory: call again until
        nothing is left.

        Args:
            until_px: Mask row that no later tile reaches above; the grid's height, or more, once
                all tiles are added.

        Returns:
            The next rows, or ``None`` when every row above ``until_px`` is released.
        """
        until_row = self.height_cells if until_px >= self._grid.height else until_px // self._stride
        most_rows = min(self._step, max(1, _RELEASED_CELLS // self.width_cells))
        num_rows = min(until_row - self._first_row, most_rows)
        if num_rows <= 0:
            return None
        first_row = self._first_row
        rows = self._take(num_rows)
        self._first_row += num_rows
        self._touched_row = max(self._touched_row, self._first_row)
        return ReleasedRows(first_row, rows[:-1], rows[-1] > 0)

    def drain(self, until_px: int) -> Iterator[ReleasedRows]:
        """Yield all rows above ``until_px``, some at a time."""
        while (rows := self.release(until_px)) is not None:
            yield rows

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return what a later run needs to go on: the rows begun, not the whole band."""
        num_rows = self._touched_row - self._first_row
        pending = [self._band[:, span] for span, _ in self._spans(self._first_row, num_rows)]
        rows = torch.cat(pending, dim=1) if pending else self._band[:, :0]
        return {
            "first_row": np.array(self._first_row, dtype=np.int64),
            "rows": rows.cpu().numpy().copy(),
        }

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Go on from what ``state`` returned on a canvas of the same grid and classes.

        Raises:
            ConfigError: The state belongs to another grid or number of classes.
        """
        rows = torch.from_numpy(np.ascontiguousarray(state["rows"])).to(self._band)
        channels, num_rows, width = rows.shape
        band_channels, band_rows, band_width = self._band.shape
        if (channels, width) != (band_channels, band_width) or num_rows > band_rows:
            raise ConfigError("saved canvas: it belongs to another slide, patch size or model")
        self._band.zero_()
        self._first_row = int(state["first_row"])
        self._touched_row = self._first_row + num_rows
        for span, part in self._spans(self._first_row, num_rows):
            self._band[:, span] = rows[:, part]

    def _add_tile(self, tile: Tile, weighted: Tensor) -> None:
        """Add one tile's weighted logits and weights, shape ``(k + 1, patch, patch)``."""
        top, left = tile.mask_rect.y // self._stride, tile.mask_rect.x // self._stride
        if not self._first_row <= top <= self._first_row + self._step:
            raise ValueError(
                f"tile in row {tile.row} lies outside the band that starts at cell row "
                f"{self._first_row}; release the rows above it first"
            )
        for span, part in self._spans(top, self._patch):
            # Not "+=", which would write the sum back to where it is already.
            self._band[:, span, left : left + self._patch].add_(weighted[:, part])
        self._touched_row = max(self._touched_row, top + self._patch)

    def _take(self, num_rows: int) -> Tensor:
        """Copy the first rows out, logits divided by weights, and clear them.

        Returns:
            Logits and, as last channel, weights, shape ``(k + 1, num_rows, width_cells)``.
        """
        channels = len(self._band)
        rows = held_tensor((channels, num_rows, self.width_cells), self._band.device)
        for span, part in self._spans(self._first_row, num_rows):
            rows[:, part] = self._band[:, span, : self.width_cells]
            self._band[:, span] = 0
        weights = rows[-1]
        # An uncovered cell holds 0 everywhere; dividing by 1 keeps it so.
        rows[:-1] /= torch.where(weights > 0, weights, 1)
        return rows

    def _spans(self, first_row: int, num_rows: int) -> list[tuple[slice, slice]]:
        """Cut consecutive rows where the ring wraps: places in the ring, places in the rows."""
        band_rows = self._band.shape[1]
        start = first_row % band_rows
        head = min(num_rows, band_rows - start)
        spans = [
            (slice(start, start + head), slice(0, head)),
            (slice(0, num_rows - head), slice(head, num_rows)),
        ]
        return [pair for pair in spans if pair[0].stop > pair[0].start]


def by_row(tiles: Sequence[Tile], logits: Tensor) -> Iterator[tuple[list[Tile], Tensor]]:
    """Split a batch where a row of tiles ends: rows above can be released before the next is added.

    Args:
        tiles: Places on the grid, in row-major order.
        logits: Their logits, one entry per tile.
    """
    start = 0
    for _, group in groupby(tiles, key=lambda tile: tile.row):
        same_row = list(group)
        yield same_row, logits[start : start + len(same_row)]
        start += len(same_row)
