"""White outside of levels and behind transparent pixels."""

import numpy as np
import pytest

from dfaseg.slide.levels import StoredLevel, make_levels
from dfaseg.slide.padding import over_white, padded_white, whiten_outside


def test_overhang_of_last_tile_is_white() -> None:
    """Only what lies outside the level changes."""
    level = make_levels([StoredLevel(10, 7, 8, 8)])[0]
    patch = np.zeros((8, 8, 3), np.uint8)

    whiten_outside(patch, level, col=1, row=0)

    assert not patch[:7, :2].any()
    assert (patch[:, 2:] == 255).all()
    assert (patch[7:] == 255).all()


def test_inner_tile_stays_as_it_is() -> None:
    """A tile inside its level is not touched."""
    level = make_levels([StoredLevel(16, 16, 8, 8)])[0]
    patch = np.zeros((8, 8, 3), np.uint8)

    whiten_outside(patch, level, col=1, row=1)

    assert not patch.any()


def test_small_pixels_lie_in_the_top_left_corner() -> None:
    """The rest of the tile is white."""
    patch = padded_white(np.zeros((2, 3, 3), np.uint8), 5, 4)

    assert patch.shape == (4, 5, 3)
    assert not patch[:2, :3].any()
    assert patch.sum() == (20 - 6) * 3 * 255


@pytest.mark.parametrize(
    ("rgba", "is_premultiplied", "rgb"),
    [
        ((10, 20, 30, 255), False, (10, 20, 30)),
        ((10, 20, 30, 0), False, (255, 255, 255)),
        ((0, 0, 0, 0), True, (255, 255, 255)),
        ((100, 200, 0, 128), False, (177, 227, 127)),
        ((50, 100, 0, 128), True, (177, 227, 127)),
        ((255, 255, 255, 128), True, (255, 255, 255)),
    ],
    ids=["opaque", "clear", "clear premultiplied", "half", "half premultiplied", "no overflow"],
)
def test_transparent_pixels_show_white(
    rgba: tuple[int, ...], is_premultiplied: bool, rgb: tuple[int, ...]
) -> None:
    """Colour times alpha plus white times the rest."""
    pixels = np.array([[rgba, (0, 0, 0, 254)]], np.uint8)

    laid = over_white(pixels, is_premultiplied=is_premultiplied)

    assert tuple(laid[0, 0]) == rgb
    assert laid.dtype == np.uint8
