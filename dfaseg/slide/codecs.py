"""What the bytes of a TIFF tile mean: from compressed data to RGB pixels.

All decoders come from imagecodecs, which gives up the interpreter's lock while it works, so that
threads decode side by side.
"""

from collections.abc import Callable
from dataclasses import dataclass

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from dfaseg.slide.padding import over_white

Decoder = Callable[[bytes], NDArray[np.uint8]]

DECODE_ERRORS = (RuntimeError, ValueError, OSError, EOFError, MemoryError)
"""What decoders raise on bad data; each of imagecodecs's own errors is a RuntimeError."""

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, YCBCR = 0, 1, 2, 6
"""Photometric interpretations (TIFF 6.0, tag 262)."""
JPEG = 7
"""Compression (tag 259) with JPEG as of TIFF technical note 2."""
_WEBP = 50001
_JPEG2000 = 34712
_APERIO_JPEG2000_RGB = 33005
"""Not 33003, Aperio's JPEG 2000 in YCbCr: whether the decoder has already converted the colours
depends on the subsampling of each tile, which OpenSlide knows how to handle."""
_PLAIN: dict[int, Callable[[bytes, int], bytes | bytearray]] = {
    1: lambda data, _: data,
    5: lambda data, size: imagecodecs.lzw_decode(data, out=size),
    8: lambda data, size: imagecodecs.zlib_decode(data, out=size),
    32773: lambda data, size: imagecodecs.packbits_decode(data, out=size),
    32946: lambda data, size: imagecodecs.zlib_decode(data, out=size),
    50000: lambda data, size: imagecodecs.zstd_decode(data, out=size),
}
"""Lossless compressions that give bytes, by the value of tag 259; called with data and size."""
_PREMULTIPLIED = 1
"""Extra sample: alpha by which the colours are already multiplied (tag 338)."""


class UnknownEncodingError(Exception):
    """No decoder here for such tiles; the text says what is unusual about them."""


@dataclass(frozen=True, slots=True)
class TileEncoding:
    """How a TIFF directory stores its tiles, in the numbers of the TIFF specification."""

    tile_width: int
    tile_height: int
    samples: int
    compression: int
    photometric: int
    predictor: int = 1
    alpha: int = 0
    jpeg_tables: bytes | None = None


def tile_decoder(encoding: TileEncoding) -> Decoder:
    """Return the function that turns a tile's bytes into RGB, ``(tile_height, tile_width, 3)``.

    The function raises one of ``DECODE_ERRORS`` on bad data.

    Raises:
        UnknownEncodingError: There is no decoder for such tiles.
    """
    decode = _sample_decoder(encoding)
    to_rgb = _rgb_converter(encoding)
    shape = (encoding.tile_height, encoding.tile_width)

    def decode_rgb(data: bytes) -> NDArray[np.uint8]:
        samples = decode(data)
        if samples.shape[:2] != shape:
            height, width = samples.shape[:2]
            raise ValueError(f"decodes to {width} × {height} px instead of {shape[1]} × {shape[0]}")
        rgb = samples if to_rgb is None else to_rgb(samples)
        # A tile carries a header of its own, which may contradict the directory.
        if rgb.shape[2:] != (3,) or rgb.dtype != np.uint8:
            raise ValueError(f"decodes to {rgb.dtype} of shape {rgb.shape} instead of 8-bit RGB")
        return rgb

    return decode_rgb


def _sample_decoder(encoding: TileEncoding) -> Decoder:
    """Return the function from bytes to samples, ``(h, w)`` or ``(h, w, samples)``."""
    if encoding.compression == JPEG:
        return _jpeg_decoder(encoding)
    if encoding.compression == _APERIO_JPEG2000_RGB:
        return imagecodecs.jpeg2k_decode
    if encoding.photometric == YCBCR:
        raise UnknownEncodingError("YCbCr colours outside of JPEG")
    if encoding.compression == _JPEG2000:
        return imagecodecs.jpeg2k_decode
    if encoding.compression == _WEBP:
        return imagecodecs.webp_decode
    if encoding.compression in _PLAIN:
        return _plain_decoder(encoding)
    raise UnknownEncodingError(f"TIFF compression {encoding.compression}")


def _jpeg_decoder(encoding: TileEncoding) -> Decoder:
    if encoding.samples not in {1, 3}:
        raise UnknownEncodingError(f"JPEG of {encoding.samples} samples")
    tables = encoding.jpeg_tables
    spaces = imagecodecs.JPEG8.CS
    if encoding.samples == 1:
        return lambda data: imagecodecs.jpeg8_decode(data, tables=tables)
    if encoding.photometric == YCBCR:
        return lambda data: imagecodecs.jpeg8_decode(
            data, tables=tables, colorspace=spaces.YCbCr, outcolorspace=spaces.RGB
        )

    def decode_rgb_jpeg(data: bytes) -> NDArray[np.uint8]:
        # Aperio stores RGB without a header that says so, and the decoder must be told. A JFIF
        # header, on the other hand, means YCbCr whatever the directory claims.
        space = None if b"JFIF" in data[:24] else spaces.RGB
        return imagecodecs.jpeg8_decode(
            data, tables=tables, colorspace=space, outcolorspace=spaces.RGB
        )

    return decode_rgb_jpeg


def _plain_decoder(encoding: TileEncoding) -> Decoder:
    if encoding.predictor not in {1, 2}:
        raise UnknownEncodingError(f"TIFF predictor {encoding.predictor}")
    decompress = _PLAIN[encoding.compression]
    shape = (encoding.tile_height, encoding.tile_width, encoding.samples)
    size = encoding.tile_height * encoding.tile_width * encoding.samples

    def decode_plain(data: bytes) -> NDArray[np.uint8]:
        unpacked = decompress(data, size)
        if len(unpacked) < size:
            raise ValueError(f"holds {len(unpacked)} bytes instead of {size}")
        samples = np.frombuffer(unpacked, np.uint8, size).reshape(shape)
        if encoding.predictor == 2:
            return imagecodecs.delta_decode(samples, axis=1)
        return samples.copy()

    return decode_plain


def _rgb_converter(
    encoding: TileEncoding,
) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | None:
    """Return the function from samples to RGB; ``None`` where they are RGB already."""
    kind = (encoding.photometric, encoding.samples)
    if kind in {(RGB, 3), (YCBCR, 3)}:
        return _drop_alpha if encoding.compression == _WEBP else None
    if kind == (RGB, 4):
        return _alpha_converter(encoding)
    if kind == (BLACK_IS_ZERO, 1):
        return _grey_to_rgb
    if kind == (WHITE_IS_ZERO, 1):
        return lambda samples: _grey_to_rgb(255 - samples)
    raise UnknownEncodingError(
        f"{encoding.samples} samples of photometric interpretation {encoding.photometric}"
    )


def _alpha_converter(encoding: TileEncoding) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    is_premultiplied = encoding.alpha == _PREMULTIPLIED

    def lay_over_white(samples: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if samples.shape[2:] == (3,):  # WebP leaves alpha out where a tile is opaque
            return samples
        return over_white(samples, is_premultiplied=is_premultiplied)

    return lay_over_white


def _drop_alpha(samples: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(samples[..., :3])


def _grey_to_rgb(samples: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = samples.shape[:2]
    return np.repeat(samples.reshape(height, width, 1), 3, axis=2)
