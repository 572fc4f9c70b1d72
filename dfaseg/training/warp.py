"""Turn, flip and zoom pixels in one step."""

import cv2
import numpy as np
from numpy.typing import NDArray


def warp(
    pixels: NDArray[np.uint8], to_source: NDArray[np.float64], size: tuple[int, int], mode: int
) -> NDArray[np.uint8]:
    """Return pixels at other places; beyond their borders they are mirrored.

    Args:
        pixels: Image or label, uint8 ``(h, w[, 3])``.
        to_source: Affine map ``(2, 3)`` from new (x, y) to old (x, y), pixel centres at integers.
        size: New width and height.
        mode: OpenCV's interpolation.
    """
    flags = mode | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(pixels, to_source, size, flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(warped, np.uint8)
