"""From stored bytes to RGB."""

from typing import Any

import imagecodecs
import numpy as np
import pytest

from dfaseg.slide.codecs import DECODE_ERRORS, TileEncoding, UnknownEncodingError, tile_decoder
from tests.factories import tissue_like_image
from tests.jpeg_streams import header_segments, without_segments

TILE = tissue_like_image(48, 32, seed=2)


def _encode(codec: str, data: object, **options: Any) -> bytes:
    """Encode with one of imagecodecs's encoders."""
    return bytes(getattr(imagecodecs, f"{codec}_encode")(data, **options))


def _encoding(**changes: Any) -> TileEncoding:
    values: dict[str, Any] = {
        "tile_width": 48, "tile_height": 32, "samples": 3, "compression": 1, "photometric": 2,
    }  # fmt: skip
    return TileEncoding(**(values | changes))


@pytest.mark.parametrize(
    ("compression", "data"),
    [
        (1, TILE.tobytes()),
        (5, _encode("lzw", TILE.tobytes())),
        (8, _encode("zlib", TILE.tobytes())),
        (32946, _encode("zlib", TILE.tobytes())),
        (32773, _encode("packbits", TILE)),
        (50000, _encode("zstd", TILE.tobytes())),
        (33005, _encode("jpeg2k", TILE, level=0, codecformat="J2K", mct=False)),
        (34712, _encode("jpeg2k", TILE, level=0, reversible=True)),
        (50001, _encode("webp", TILE, lossless=True)),
    ],
    ids=["none", "lzw", "deflate", "old deflate", "packbits", "zstd", "aperio j2k", "jp2", "webp"],
)
def test_lossless_tile_is_decoded_exactly(compression: int, data: bytes) -> None:
    """What was stored comes back, writable."""
    patch = tile_decoder(_encoding(compression=compression))(data)

    assert np.array_equal(patch, TILE)
    assert patch.flags.writeable
    assert patch.dtype == np.uint8


def test_predictor_is_undone() -> None:
    """Differences along rows become values."""
    data = _encode("zlib", imagecodecs.delta_encode(TILE, axis=1).tobytes())

    patch = tile_decoder(_encoding(compression=8, predictor=2))(data)

    assert np.array_equal(patch, TILE)


@pytest.mark.parametrize("space", ["RGB", "YCBCR"])
def test_jpeg_follows_the_directory_on_colours(space: str) -> None:
    """Aperio's RGB carries no header, and must not be taken for YCbCr."""
    data = _encode(
        "jpeg8", TILE, level=98, colorspace="RGB", outcolorspace=space, subsampling="444"
    )
    if space == "RGB":
        data = without_segments(data, 0xEE)

    decode = tile_decoder(_encoding(compression=7, photometric=2 if space == "RGB" else 6))

    assert np.abs(decode(data).astype(int) - TILE).mean() < 3


def test_jfif_header_overrules_a_directory_that_says_rgb() -> None:
    """JFIF is YCbCr by definition."""
    data = _encode("jpeg8", TILE, level=98, subsampling="444")

    patch = tile_decoder(_encoding(compression=7, photometric=2))(data)

    assert b"JFIF" in data
    assert np.abs(patch.astype(int) - TILE).mean() < 3


def test_shared_jpeg_tables_complete_an_abbreviated_tile() -> None:
    """Tables lie once in the directory, and each tile holds only its scan."""
    whole = _encode("jpeg8", TILE, level=90)
    tables = b"\xff\xd8" + b"".join(header_segments(whole, 0xDB, 0xC4)) + b"\xff\xd9"
    abbreviated = without_segments(whole, 0xDB, 0xC4)

    decode = tile_decoder(_encoding(compression=7, photometric=6, jpeg_tables=tables))

    assert np.array_equal(decode(abbreviated), imagecodecs.jpeg8_decode(whole))


@pytest.mark.parametrize(("photometric", "expected"), [(1, TILE[..., 0]), (0, 255 - TILE[..., 0])])
def test_grey_becomes_rgb(photometric: int, expected: np.ndarray) -> None:
    """Both senses of grey give three equal channels."""
    decode = tile_decoder(_encoding(samples=1, photometric=photometric))

    patch = decode(TILE[..., 0].tobytes())

    assert np.array_equal(patch, np.stack([expected] * 3, axis=2))


def test_grey_jpeg_becomes_rgb() -> None:
    """A JPEG of one component is grey."""
    data = _encode("jpeg8", np.ascontiguousarray(TILE[..., 0]), level=95)

    patch = tile_decoder(_encoding(samples=1, photometric=1, compression=7))(data)

    assert np.array_equal(patch[..., 0], imagecodecs.jpeg8_decode(data))


@pytest.mark.parametrize("compression", [1, 50001], ids=["none", "webp"])
def test_alpha_is_laid_over_white(compression: int) -> None:
    """Clear pixels are glass."""
    rgba = np.dstack([TILE, np.where(TILE[..., :1] > 230, 0, 255).astype(np.uint8)])
    data = rgba.tobytes() if compression == 1 else _encode("webp", rgba, lossless=True)

    patch = tile_decoder(_encoding(samples=4, alpha=2, compression=compression))(data)

    assert (patch[rgba[..., 3] == 0] == 255).all()
    assert np.array_equal(patch[rgba[..., 3] == 255], TILE[rgba[..., 3] == 255])


def test_webp_without_alpha_is_accepted_in_a_file_with_alpha() -> None:
    """The encoder leaves alpha out of opaque tiles."""
    data = _encode("webp", TILE, lossless=True)

    patch = tile_decoder(_encoding(samples=4, alpha=2, compression=50001))(data)

    assert np.array_equal(patch, TILE)


@pytest.mark.parametrize(
    ("compression", "data"),
    [
        (7, _encode("jpeg8", TILE[:16])),
        (33005, _encode("jpeg2k", TILE[:, :16], codecformat="J2K")),
        (50001, _encode("webp", TILE[:16])),
    ],
    ids=["jpeg", "j2k", "webp"],
)
def test_tile_of_another_size_is_bad_data(compression: int, data: bytes) -> None:
    """A neighbour's pixels must not end up in the wrong place."""
    with pytest.raises(ValueError, match="px instead of 48 × 32"):
        tile_decoder(_encoding(compression=compression))(data)


@pytest.mark.parametrize(
    "pixels", [TILE[..., 0], TILE.astype(np.uint16) * 16], ids=["grey", "12 bits"]
)
def test_tile_that_contradicts_the_directory_is_bad_data(pixels: np.ndarray) -> None:
    """Such a tile is reported as unreadable instead of ending the run or changing its values."""
    data = _encode("jpeg2k", pixels, codecformat="J2K")

    with pytest.raises(ValueError, match="instead of 8-bit RGB"):
        tile_decoder(_encoding(compression=33005))(data)


@pytest.mark.parametrize("compression", [1, 5, 7, 8, 32773, 33005, 34712, 50000, 50001])
@pytest.mark.parametrize("data", [b"", b"\x5a" * 100], ids=["empty", "nonsense"])
def test_bad_data_raises_a_known_error(compression: int, data: bytes) -> None:
    """Whatever the codec, its errors are in the list that readers map."""
    with pytest.raises(DECODE_ERRORS):
        tile_decoder(_encoding(compression=compression))(data)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"compression": 33003}, "compression 33003"),
        ({"compression": 6}, "compression 6"),
        ({"predictor": 3}, "predictor 3"),
        ({"photometric": 6}, "YCbCr colours outside of JPEG"),
        ({"photometric": 6, "compression": 34712}, "YCbCr colours outside of JPEG"),
        ({"photometric": 3, "samples": 1}, "photometric interpretation 3"),
        ({"photometric": 5, "samples": 4}, "photometric interpretation 5"),
        ({"compression": 7, "samples": 4}, "JPEG of 4 samples"),
        ({"samples": 2, "photometric": 1}, "2 samples"),
    ],
    ids=[
        "aperio ycbcr",
        "old jpeg",
        "float",
        "ycbcr",
        "ycbcr jp2",
        "palette",
        "cmyk",
        "jpeg rgba",
        "grey alpha",
    ],
)
def test_unusual_encodings_are_left_to_other_readers(changes: dict[str, int], reason: str) -> None:
    """The reason is told, for the message when no other reader succeeds."""
    with pytest.raises(UnknownEncodingError, match=reason):
        tile_decoder(_encoding(**changes))
