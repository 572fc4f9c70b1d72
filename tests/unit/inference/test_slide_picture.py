"""The picture of a slide: small enough for the overlay, and whole only as long as it must be."""

import gc
import weakref

import numpy as np
import pytest

from dfaseg.inference.slide_picture import SlidePicture


def test_large_pictures_are_shrunk_for_the_overlay() -> None:
    """A slide that is ten times as tall takes no more."""
    picture = SlidePicture(np.full((8000, 400, 3), 77, np.uint8))

    assert picture.shape == (8000, 400)
    assert picture.small.shape == (1600, 80, 3)
    assert picture.shrink == 0.2
    assert (picture.small == 77).all()


def test_small_pictures_stay_as_they_are() -> None:
    """Nothing is enlarged."""
    pixels = np.arange(300, dtype=np.uint8).reshape(10, 10, 3)

    picture = SlidePicture(pixels)

    assert picture.shrink == 1
    np.testing.assert_array_equal(picture.small, pixels)
    np.testing.assert_array_equal(picture.whole, pixels)


def test_forgotten_pixels_are_gone() -> None:
    """Nobody holds on to them in secret."""

    class Pixels(np.ndarray):
        """An array that can be watched."""

    pixels = np.zeros((2000, 10, 3), np.uint8).view(Pixels)
    watch = weakref.ref(pixels)
    picture = SlidePicture(pixels)
    del pixels
    assert watch() is not None

    picture.forget_whole()
    gc.collect()

    assert watch() is None
    with pytest.raises(AssertionError):
        _ = picture.whole
