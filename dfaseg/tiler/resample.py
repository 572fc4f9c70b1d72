"""Exact area resampling by a fraction: each result pixel is the mean of what it covers."""

from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

# The tiler spreads its blocks over its own threads; OpenCV's would only get in their way.
cv2.setNumThreads(1)


def resample_block(
    source: NDArray[np.uint8], scale_x: Fraction, scale_y: Fraction, out: NDArray[np.uint8]
) -> None:
    """Shrink (or enlarge) a block of whole periods of the pixel grids by area averaging.

    The block must begin and end where an edge of the source grid meets one of the result's:
    ``source`` has ``m * numerator`` and ``out`` has ``m * denominator`` pixels per axis.

    Args:
        source: RGB pixels, shape ``(h, w, 3)``.
        scale_x: Source pixels per result pixel, horizontally.
        scale_y: The same, vertically.
        out: Where the result goes, shape ``(h / scale_y, w / scale_x, 3)``.
    """
    height, width = source.shape[:2]
    assert (out.shape[1] * scale_x, out.shape[0] * scale_y) == (width, height)
    if scale_x == scale_y == 1:
        out[...] = source
        return
    cv2.resize(source, (out.shape[1], out.shape[0]), dst=out, interpolation=cv2.INTER_AREA)
