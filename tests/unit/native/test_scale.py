"""Bytes to floats: the very bits that a product and a sum give."""

import numpy as np
import pytest
from numpy.typing import NDArray

from dfaseg.native.scale import scale_pixels

FACTOR = np.array([1 / (255 * 0.229), 1 / (255 * 0.224), 0.1], np.float32)
OFFSET = np.array([-0.485 / 0.229, -0.456 / 0.224, 1 / 3], np.float32)


@pytest.mark.parametrize("num_pixels", [0, 1, 15, 16, 17, 256, 1000])
def test_every_value_is_a_product_and_a_sum(num_pixels: int) -> None:
    """Each step is rounded, whatever number of pixels fills the processor's vectors."""
    pixels = np.random.default_rng(num_pixels).integers(0, 256, (num_pixels, 3), dtype=np.uint8)
    pixels[:256] = np.arange(256, dtype=np.uint8)[:num_pixels, None]
    scaled = np.full((num_pixels, 3), np.nan, np.float32)

    scale_pixels(pixels, FACTOR, OFFSET, scaled)

    expected = pixels.astype(np.float32) * FACTOR + OFFSET
    np.testing.assert_array_equal(scaled.view(np.uint32), expected.view(np.uint32))


@pytest.mark.parametrize(
    ("pixels", "scaled"),
    [
        (np.zeros((4, 3), np.int8), np.zeros((4, 3), np.float32)),
        (np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.float32)),
        (np.zeros((4, 3), np.uint8), np.zeros((3, 3), np.float32)),
        (np.zeros((4, 3), np.uint8), np.zeros((4, 3))),
        (np.zeros((4, 6), np.uint8)[:, ::2], np.zeros((4, 3), np.float32)),
        (np.zeros((4, 3), np.uint8), np.zeros((4, 6), np.float32)[:, ::2]),
    ],
    ids=["signed", "four colours", "too little room", "double", "pixels apart", "room apart"],
)
def test_other_memory_is_refused(pixels: NDArray[np.generic], scaled: NDArray[np.floating]) -> None:
    """C would read or write what is not there."""
    with pytest.raises(ValueError, match="cannot be scaled"):
        scale_pixels(pixels, FACTOR, OFFSET, scaled)  # type: ignore[arg-type]  # the point of it
