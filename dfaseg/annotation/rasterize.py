"""Polygons filled into a label or mask, exactly by the even-odd rule at pixel centres."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.native.fill import fill_shapes

Ring = NDArray[np.int32] | NDArray[np.float64]
"""Vertices ``(n, 2)``, (x, y); closed or open."""


def rasterize(
    shapes: Iterable[tuple[int, Sequence[Ring]]],
    width: int,
    height: int,
    *,
    background: int = IGNORE_INDEX,
) -> NDArray[np.uint8]:
    """Fill polygons; later ones cover earlier ones.

    A pixel is inside when its centre is, by the even-odd rule over all rings of the polygon. A
    centre exactly on an edge belongs to the polygon on the right of it (or below), so polygons
    that share an edge neither overlap nor leave a gap.

    Args:
        shapes: Class index and rings of each polygon, in pixels.
        width: Width of the result.
        height: Height of the result.
        background: Index of pixels in no polygon.

    Returns:
        Class indices ``(height, width)``.
    """
    mask = np.full((height, width), background, np.uint8)
    for class_index, rings in shapes:
        starts = np.concatenate([np.asarray(ring, np.float64) for ring in rings])
        ends = np.concatenate([np.roll(np.asarray(ring, np.float64), -1, axis=0) for ring in rings])
        bounds = np.array([0, len(starts)], np.int64)
        fill_shapes(mask, np.array([class_index], np.int16), bounds, (starts, ends))
    return mask
