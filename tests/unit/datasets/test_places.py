"""Places cover every pixel of every image, spread evenly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfaseg.datasets.load import Split
from dfaseg.datasets.pixel_counts import image_weights, pixel_counts, pixel_frequencies
from dfaseg.datasets.places import cover, tile_split
from dfaseg.errors import ConfigError
from dfaseg.geometry import Rect


def _split(*sizes: tuple[int, int]) -> Split:
    rng = np.random.default_rng(0)
    labels = [rng.integers(0, 3, (height, width), np.uint8) for width, height in sizes]
    images = [np.zeros((*label.shape, 3), np.uint8) for label in labels]
    names = tuple(str(number) for number in range(len(sizes)))
    return Split(names, names, images, labels)


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 40))
def test_places_cover_every_pixel(width: int, height: int, patch_px: int) -> None:
    """All lie inside the image, and there are no more than are needed."""
    covered = np.zeros((height, width), bool)

    places = cover(width, height, patch_px)

    for rect in places:
        assert (rect.width, rect.height) == (min(width, patch_px), min(height, patch_px))
        assert rect.right <= width
        assert rect.bottom <= height
        covered[rect.slices] = True
    assert covered.all()
    assert len(places) == -(-width // patch_px) * -(-height // patch_px)


def test_steps_are_even() -> None:
    """Steps differ by one pixel at most: 1512 px take two places, 2500 px three."""
    assert [rect.x for rect in cover(1512, 1, 1024)] == [0, 488]
    assert [rect.x for rect in cover(2501, 1, 1024)] == [0, 739, 1477]


def test_small_image_is_one_place() -> None:
    """An image smaller than a patch stays whole."""
    (place,) = tile_split(_split((7, 5)), 64)

    assert place.rect == Rect(0, 0, 7, 5)


def test_counts_of_places_are_of_their_own_pixels() -> None:
    """Where places do not overlap, they add up to the image."""
    split = _split((8, 4), (4, 4))
    places = tile_split(split, 4)

    counts = pixel_counts(split, 3, places)

    assert [place.image for place in places] == [0, 0, 1]
    assert np.array_equal(counts[:2].sum(axis=0), pixel_counts(split, 3)[0])


def test_weights_of_places_use_the_frequencies_of_whole_images() -> None:
    """Pixels under two places count once in the frequencies."""
    split = _split((6, 4), (4, 4))
    counts = pixel_counts(split, 3, tile_split(split, 4))
    frequencies = pixel_frequencies(pixel_counts(split, 3))

    weights = image_weights(counts, 1.0, frequencies)

    expected = (counts / 16) @ (1 / frequencies)
    assert weights == pytest.approx(expected / expected.sum())


def test_patch_without_pixels_is_refused() -> None:
    """A patch has at least one pixel."""
    with pytest.raises(ConfigError, match="at least 1"):
        tile_split(_split((4, 4)), 0)
