"""Bytes of RGB pixels as floats, in one pass over memory."""

import numpy as np
from numpy.typing import NDArray

from dfaseg.native.library import load


def scale_pixels(
    pixels: NDArray[np.uint8],
    factor: NDArray[np.float32],
    offset: NDArray[np.float32],
    scaled: NDArray[np.float32],
) -> None:
    """Multiply each value of a pixel by its colour's factor, and add its colour's offset.

    Both steps are rounded, as NumPy and torch do it. Python's lock is not held meanwhile.

    Args:
        pixels: RGB, uint8 ``(..., 3)``, contiguous.
        factor: One per colour, ``(3,)``.
        offset: The same.
        scaled: Where the values go, of the shape of ``pixels``, contiguous.

    Raises:
        ValueError: The arrays do not fit together.
    """
    kinds = [array.dtype for array in (pixels, factor, offset, scaled)]
    if (
        kinds != [np.uint8, *[np.float32] * 3]
        or not pixels.shape[-1:] == factor.shape == offset.shape == (3,)
        or scaled.shape != pixels.shape
        or not all(array.flags.c_contiguous for array in (pixels, factor, offset, scaled))
        or not scaled.flags.writeable
    ):
        raise ValueError(f"pixels of shape {pixels.shape} cannot be scaled")
    load().dfaseg_scale(
        pixels.ctypes.data,
        pixels.size,
        factor.ctypes.data,
        offset.ctypes.data,
        scaled.ctypes.data,
    )
