"""JPEG tiles whole and smaller: the general decoder's pixels, or as near as documented."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray

from dfaseg.slide import open_slide
from dfaseg.slide.codecs import DECODE_ERRORS, TileEncoding, tile_decoder
from dfaseg.slide.turbo_jpeg import possible_reductions, shrunk, sized_decoder
from tests.factories import tissue_like_image
from tests.jpeg_streams import header_segments, without_segments

SIDE = 240
"""Aperio's, a multiple of 16 but no power of two."""
TILE = tissue_like_image(SIDE, SIDE, seed=4)
MAX_DIFFERENCE, MAX_MEAN_DIFFERENCE = 40, 0.75
"""What ``docs/design/0009-scaled-jpeg.md`` states for tissue at usual qualities, in grey levels."""


def _jpeg(pixels: NDArray[np.uint8] = TILE, **options: Any) -> bytes:
    return bytes(imagecodecs.jpeg8_encode(pixels, **({"level": 80} | options)))


def _rgb_without_header() -> bytes:
    """Return a tile as Aperio stores them: RGB, and nothing that says so."""
    data = _jpeg(colorspace="RGB", outcolorspace="RGB", subsampling="420")
    return without_segments(data, 0xEE)


def _encoding(**changes: Any) -> TileEncoding:
    values: dict[str, Any] = {
        "tile_width": SIDE, "tile_height": SIDE, "samples": 3, "compression": 7, "photometric": 6,
    }  # fmt: skip
    return TileEncoding(**(values | changes))


def _decoders(**changes: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    encoding = _encoding(**changes)
    whole = tile_decoder(encoding)
    return whole, sized_decoder(encoding, whole)


def _assert_near(smaller: NDArray[np.uint8], averaged: NDArray[np.uint8]) -> None:
    difference = np.abs(smaller.astype(int) - averaged)
    assert smaller.shape == averaged.shape
    assert difference.max() <= MAX_DIFFERENCE
    assert difference.mean() <= MAX_MEAN_DIFFERENCE


@pytest.mark.parametrize("level", [30, 80, 95])
@pytest.mark.parametrize("subsampling", ["444", "422", "420", "440", "411"])
def test_whole_tile_is_the_general_decoders(subsampling: str, level: int) -> None:
    """Bit for bit, however coarse the chroma."""
    data = _jpeg(subsampling=subsampling, level=level)
    whole, sized = _decoders()

    np.testing.assert_array_equal(sized(data, 1), whole(data))


@pytest.mark.parametrize("photometric", [2, 6], ids=["rgb", "ycbcr"])
@pytest.mark.parametrize(
    "data",
    [
        _rgb_without_header(),
        _jpeg(),
        _jpeg(colorspace="RGB", outcolorspace="RGB"),
        _jpeg()[:20] + b"\x00\x00\x00" + _jpeg()[20:],
    ],
    ids=["aperio rgb", "jfif", "adobe rgb", "warning"],
)
def test_colours_of_a_whole_tile_are_the_general_decoders(data: bytes, photometric: int) -> None:
    """Whatever directory and header say of the colours, even where they contradict each other."""
    whole, sized = _decoders(photometric=photometric)

    np.testing.assert_array_equal(sized(data, 1), whole(data))


@pytest.mark.parametrize("reduction", [2, 4, 8])
@pytest.mark.parametrize(
    ("data", "photometric"),
    [
        (_jpeg(subsampling="420"), 6),
        (_jpeg(subsampling="444"), 6),
        (_rgb_without_header(), 2),
        (_jpeg(), 2),
    ],
    ids=["420", "444", "aperio rgb", "jfif in rgb"],
)
def test_smaller_tile_is_nearly_the_average(data: bytes, photometric: int, reduction: int) -> None:
    """The difference stays within the documented bound, whatever way colours are stored."""
    whole, smaller = _decoders(photometric=photometric)

    _assert_near(smaller(data, reduction), shrunk(whole(data), reduction))


def test_shared_tables_complete_an_abbreviated_tile() -> None:
    """Tables that lie in the directory give the pixels that tables in the tile give."""
    data = _jpeg()
    tables = b"\xff\xd8" + b"".join(header_segments(data, 0xDB, 0xC4)) + b"\xff\xd9"
    _, smaller = _decoders(jpeg_tables=tables)
    _, smaller_of_whole = _decoders()

    pixels = smaller(without_segments(data, 0xDB, 0xC4), 2)

    np.testing.assert_array_equal(pixels, smaller_of_whole(data, 2))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (2, 4, 8)),
        ({"tile_width": 252}, (2, 4)),
        ({"tile_height": 254}, (2,)),
        ({"tile_height": 255}, ()),
        ({"compression": 33005, "photometric": 2}, ()),
        ({"samples": 1, "photometric": 1}, ()),
    ],
    ids=["240 px", "252 px", "254 px", "255 px", "jpeg 2000", "grey"],
)
def test_reductions_divide_the_tile(changes: dict[str, int], expected: tuple[int, ...]) -> None:
    """Only colour JPEG whose smaller tiles have whole sizes can be decoded smaller."""
    assert possible_reductions(_encoding(**changes)) == expected


def test_colours_that_contradict_the_directory_are_decoded_whole() -> None:
    """The directory says YCbCr and a header says RGB: the directory is believed, as elsewhere."""
    data = _jpeg(colorspace="RGB", outcolorspace="RGB", subsampling="444")
    whole, smaller = _decoders(photometric=6)

    np.testing.assert_array_equal(smaller(data, 2), shrunk(whole(data), 2))


def test_chroma_coarser_along_one_axis_is_decoded_whole() -> None:
    """Decoded smaller, such chroma would stay coarser than averaging makes it."""
    data = _jpeg(subsampling="422")
    whole, smaller = _decoders()

    np.testing.assert_array_equal(smaller(data, 8), shrunk(whole(data), 8))


def test_tile_with_a_warning_is_decoded_whole() -> None:
    """Bytes between segments are skipped when tiles are decoded whole, and so they are here."""
    data = _jpeg()
    data = data[:20] + b"\x00\x00\x00" + data[20:]
    whole, smaller = _decoders()

    np.testing.assert_array_equal(smaller(data, 4), shrunk(whole(data), 4))


@pytest.mark.parametrize(
    "data",
    [b"", b"\x5a" * 100, b"\0\0" + _jpeg()[2:], _jpeg(TILE[:16])],
    ids=["empty", "nonsense", "no beginning", "other size"],
)
def test_bad_data_fails_as_whole_tiles_do(data: bytes) -> None:
    """A tile is unreadable at every size or at none, for the same reason."""
    whole, smaller = _decoders()

    with pytest.raises(DECODE_ERRORS) as expected:
        whole(data)
    for reduction in (1, 2):
        with pytest.raises(DECODE_ERRORS) as found:
            smaller(data, reduction)
        assert str(found.value) == str(expected.value)


@pytest.mark.parametrize("reduction", [2, 4, 8])
def test_glass_keeps_its_colour(reduction: int) -> None:
    """One colour stays that colour to rounding, however few frequencies are decoded."""
    glass = np.full((SIDE, SIDE, 3), (243, 241, 244), np.uint8)
    whole, smaller = _decoders()
    data = _jpeg(glass)

    np.testing.assert_allclose(smaller(data, reduction), shrunk(whole(data), reduction), atol=1)


@pytest.mark.parametrize("name", ["CMU-1-Small-Region.svs", "CMU-1-Small-Region.jpeg.tiff"])
def test_real_tiles_stay_within_the_documented_bound(real_data: Path, name: str) -> None:
    """A scanner's own tiles, RGB and YCbCr, differ as little as drawn ones."""
    slide: Any = open_slide(real_data / "slides" / name, mpp=0.5)
    places = [(col, row) for col in range(1, 7) for row in range(2, 8)]

    for reduction in (2, 4, 8):
        smaller = [slide.read_reduced_tile(0, *place, reduction) for place in places]
        averaged = [shrunk(slide.read_tile(0, *place), reduction) for place in places]
        _assert_near(np.stack(smaller), np.stack(averaged))


def test_average_is_that_of_whole_squares() -> None:
    """Squares meet no neighbour's pixels."""
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[:2, :2] = 200

    np.testing.assert_array_equal(shrunk(pixels, 2)[..., 0], [[200, 0], [0, 0]])
