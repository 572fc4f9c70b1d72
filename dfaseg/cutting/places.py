"""Where the tiles of a slide lie, in its own pixels, and what they are called."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfaseg.cutting.job import CutPlan
from dfaseg.cutting.names import tile_name


@dataclass(frozen=True, slots=True, eq=False)
class TilePlaces:
    """Tiles of one slide in grid order; all arrays have one entry per tile.

    Attributes:
        slide_id: Name of the slide.
        rows: Row on the grid.
        cols: Column on the grid.
        left: Left edge in level-0 px, between pixels where the resolutions do not match.
        top: The same for the upper edge.
        width: Side of a tile in level-0 px, horizontally.
        height: The same, vertically.
        tissue: Share of tissue, 0 to 1.
    """

    slide_id: str
    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    left: NDArray[np.float64]
    top: NDArray[np.float64]
    width: float
    height: float
    tissue: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def x(self) -> NDArray[np.int64]:
        """Left edge in whole level-0 px."""
        return np.rint(self.left).astype(np.int64)

    @property
    def y(self) -> NDArray[np.int64]:
        """Upper edge in whole level-0 px."""
        return np.rint(self.top).astype(np.int64)

    @property
    def names(self) -> list[str]:
        """Name of each tile: the slide's and its place; no two tiles share one."""
        return [
            tile_name(self.slide_id, x, y)
            for x, y in zip(self.x.tolist(), self.y.tolist(), strict=True)
        ]


def place_tiles(cut: CutPlan, kept: NDArray[np.bool_], shares: NDArray[np.float64]) -> TilePlaces:
    """Place tiles on the slide.

    Args:
        cut: How the slide is cut.
        kept: Which tiles, shape ``(grid.num_rows, grid.num_cols)``.
        shares: Share of tissue in each tile, same shape.
    """
    rows, cols = np.nonzero(kept)
    plan, grid = cut.plan, cut.grid
    return TilePlaces(
        slide_id=cut.slide_id,
        rows=rows,
        cols=cols,
        left=np.asarray(cols * (grid.stride_px * plan.downsample_x), np.float64),
        top=np.asarray(rows * (grid.stride_px * plan.downsample_y), np.float64),
        width=grid.patch_px * plan.downsample_x,
        height=grid.patch_px * plan.downsample_y,
        tissue=shares[rows, cols],
    )
