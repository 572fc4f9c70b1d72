"""The slide held in memory."""

import numpy as np
import pytest

from dfaseg.errors import ConfigError, ReadError
from dfaseg.geometry import Rect
from dfaseg.slide import ArraySlide
from tests.factories import read_level, tissue_like_image

IMAGE = tissue_like_image(100, 70, seed=1)


def test_tiles_put_together_are_the_array() -> None:
    """No pixel is lost or moved."""
    slide = ArraySlide(IMAGE, tile_px=32)

    assert np.array_equal(read_level(slide), IMAGE)


def test_overhanging_tile_is_padded_white() -> None:
    """All tiles have the full size."""
    patch = ArraySlide(IMAGE, tile_px=32).read_tile(0, 3, 2)

    assert patch is not None
    assert patch.shape == (32, 32, 3)
    assert (patch[:, 4:] == 255).all()
    assert (patch[6:] == 255).all()


def test_levels_are_block_means() -> None:
    """A level of factor 2 averages 2 × 2 pixels; an odd rest is repeated."""
    pixels = np.zeros((3, 4, 3), np.uint8)
    pixels[:2, :2] = 100
    pixels[0, 0] = 200

    slide = ArraySlide(pixels, downsamples=(1, 2), tile_px=4)

    level = slide.info.levels[1]
    assert (level.width, level.height, level.downsample_x) == (2, 2, 2.0)
    assert tuple(read_level(slide, 1)[0, 0]) == (125, 125, 125)


def test_missing_tile_is_none_and_failing_tile_raises() -> None:
    """Bad tiles behave as a file's."""
    slide = ArraySlide(IMAGE, tile_px=32, missing={(0, 1, 0)}, failing={(0, 2, 1)}, slide_id="s")

    assert slide.read_tile(0, 1, 0) is None
    with pytest.raises(ReadError, match=r"slide 's': tile \(level 0, column 2, row 1\)"):
        slide.read_tile(0, 2, 1)


def test_info_states_what_was_given() -> None:
    """Bounds, name and resolution are the caller's."""
    info = ArraySlide(IMAGE, mpp=0.3, slide_id="s", level0_bounds=Rect(1, 2, 3, 4)).info

    assert (info.slide_id, info.mpp, info.level0_bounds) == ("s", 0.3, Rect(1, 2, 3, 4))


def test_fingerprint_follows_the_pixels() -> None:
    """Equal pixels, equal fingerprint."""
    changed = IMAGE.copy()
    changed[0, 0, 0] ^= 1

    assert ArraySlide(IMAGE).info.fingerprint == ArraySlide(IMAGE.copy()).info.fingerprint
    assert ArraySlide(IMAGE).info.fingerprint != ArraySlide(changed).info.fingerprint


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((4, 4, 4), np.uint8)],
    ids=["grey", "float", "rgba"],
)
def test_other_arrays_are_refused(pixels: np.ndarray) -> None:
    """Only 8-bit RGB is a slide."""
    with pytest.raises(ConfigError, match="8-bit RGB"):
        ArraySlide(pixels)


def test_first_downsample_must_be_one() -> None:
    """Level 0 is the array itself."""
    with pytest.raises(ConfigError, match="must be 1"):
        ArraySlide(IMAGE, downsamples=(2, 4))
