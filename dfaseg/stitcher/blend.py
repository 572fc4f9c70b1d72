"""How much each cell of a tile counts where tiles overlap."""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from dfaseg.errors import ConfigError

BlendMode = Literal["gaussian", "uniform", "none"]

_FLANK_SIGMAS = 3.0
"""Width of a Gaussian flank in standard deviations: a tile fades in at 1 % of its full weight."""
_SPARE_WEIGHT = 2.0**-50
"""Factor per axis outside a tile's own part under ``none``.

Beside a weight of 1 it is far below float32's precision, so the owner decides alone. Where the
owner is missing (edge of the slide or of the tissue) the sum is divided by it again, which is exact
for a power of two; its square still leaves logits well inside float32's range.
"""


def blend_weights(mode: BlendMode, patch_cells: int, overlap_cells: int) -> NDArray[np.float32]:
    """Return the weight of each cell of a tile, positive everywhere.

    ``gaussian`` is flat where a tile meets no other and falls off like a Gaussian across the
    overlap, ``uniform`` takes the plain mean of overlapping tiles, ``none`` gives each cell to the
    one tile in whose central part it lies, cut half-way through the overlap.

    Args:
        mode: How overlapping tiles share a cell.
        patch_cells: Side of a tile in cells of the logit grid.
        overlap_cells: Cells that neighbouring tiles share; at least 0 and less than the side.

    Returns:
        Weights, shape ``(patch_cells, patch_cells)``, the outer product of one profile.

    Raises:
        ConfigError: The mode is unknown or the sizes are impossible.
    """
    if mode not in get_args(BlendMode):
        known = ", ".join(get_args(BlendMode))
        raise ConfigError(f"blend '{mode}': unknown; choose one of {known}")
    if not 0 <= overlap_cells < patch_cells:
        raise ConfigError(
            f"blend of {patch_cells} cells with overlap {overlap_cells}: "
            "the overlap must be at least 0 and smaller than the patch"
        )
    profile = _profile(mode, patch_cells, overlap_cells)
    return np.outer(profile, profile).astype(np.float32)


def _profile(mode: BlendMode, patch_cells: int, overlap_cells: int) -> NDArray[np.float64]:
    """Return the weights along one axis, shape ``(patch_cells,)``."""
    cells = np.arange(patch_cells)
    if mode == "uniform" or overlap_cells == 0:
        return np.ones(patch_cells)
    if mode == "none":
        first = overlap_cells // 2
        own = (cells >= first) & (cells < first + patch_cells - overlap_cells)
        return np.where(own, 1.0, _SPARE_WEIGHT)
    # Distance of a cell's centre from the nearer edge, in units of the flank's width.
    flank = min(overlap_cells, patch_cells / 2)
    depth = np.minimum(cells + 0.5, patch_cells - cells - 0.5) / flank
    distance: NDArray[np.float64] = _FLANK_SIGMAS * (1 - np.minimum(depth, 1))
    return np.exp(-0.5 * distance**2)
