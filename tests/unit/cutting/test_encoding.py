"""Patches and label masks as pictures."""

import imagecodecs
import numpy as np
import pytest

from dfaseg.cutting.encoding import encode_label, encode_patch


@pytest.mark.parametrize("index", [0, 3, 255])
@pytest.mark.parametrize("shape", [(1, 1), (8, 5), (512, 512)])
def test_labels_of_one_class_are_read_back(index, shape):
    """Also the second time, and with one pixel of another class."""
    label = np.full(shape, index, np.uint8)

    for _ in range(2):
        np.testing.assert_array_equal(imagecodecs.png_decode(encode_label(label)), label)
        label[-1, -1] = 7


def test_png_patches_are_read_back():
    """Without any loss."""
    patch = np.random.default_rng(0).integers(0, 256, (40, 30, 3)).astype(np.uint8)

    np.testing.assert_array_equal(imagecodecs.png_decode(encode_patch(patch, "png")), patch)


def test_jpeg_patches_keep_their_colours():
    """Colours are not subsampled: one pixel of another colour stays where it is."""
    patch = np.full((16, 16, 3), 200, np.uint8)
    patch[8, 8] = (120, 40, 160)

    decoded = imagecodecs.jpeg8_decode(encode_patch(patch, "jpeg")).astype(int)

    assert np.abs(decoded - patch).max() < 60
    assert np.abs(decoded[8, 8] - patch[8, 8]).max() < 25
