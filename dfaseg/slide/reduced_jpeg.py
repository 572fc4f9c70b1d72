"""JPEG tiles decoded at a half, a quarter or an eighth of their size.

JPEG stores blocks of 8 × 8 pixels as frequencies, and libjpeg-turbo can leave out those that a
smaller picture does not show. That is less work than decoding all pixels and averaging them, and
gives nearly the same: ``docs/design/0009-scaled-jpeg.md`` says how nearly.
"""

from collections.abc import Callable

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from dfaseg.slide.codecs import JPEG, RGB, Decoder, TileEncoding

ReducedDecoder = Callable[[bytes, int], NDArray[np.uint8]]
"""From a tile's bytes and a reduction to RGB, ``(tile_height / r, tile_width / r, 3)``."""

_REDUCTIONS = (2, 4, 8)
_SUBSAMPLINGS = frozenset({"444", "420"})
"""Chroma that is coarser along one axis only is left coarse along it when tiles are decoded
smaller, where averaging would give it its full share."""
_START = b"\xff\xd8"
"""Marker with which every JPEG stream begins; the one that ends it has as many bytes."""
_ADOBE_RGB = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
"""Header that says: three components without a colour transform."""


def possible_reductions(encoding: TileEncoding) -> tuple[int, ...]:
    """Return the factors by which such tiles can be decoded smaller; none for other than JPEG."""
    if encoding.compression != JPEG or encoding.samples != 3:
        return ()
    sides = (encoding.tile_width, encoding.tile_height)
    return tuple(factor for factor in _REDUCTIONS if not any(side % factor for side in sides))


def reduced_decoder(encoding: TileEncoding, decode: Decoder) -> ReducedDecoder:
    """Return the function that decodes a tile smaller, by one of its possible reductions.

    A tile that is unusual in any way is decoded whole and averaged, so that a tile fails here
    exactly where it fails at full size.

    Args:
        encoding: How the tiles are stored.
        decode: Decodes a whole tile.
    """
    shape = (encoding.tile_height, encoding.tile_width)
    tables = (encoding.jpeg_tables or b"")[len(_START) : -len(_START)]

    def decode_reduced(data: bytes, reduction: int) -> NDArray[np.uint8]:
        # A JFIF header means YCbCr whatever the directory claims.
        is_rgb = encoding.photometric == RGB and b"JFIF" not in data[:24]
        stream = b"".join((_START, _ADOBE_RGB if is_rgb else b"", tables, data[len(_START) :]))
        try:
            height, width, colours, subsampling = simplejpeg.decode_jpeg_header(stream)
            found = (height, width), colours
            if found == (shape, "RGB" if is_rgb else "YCbCr") and subsampling in _SUBSAMPLINGS:
                return _decode_smaller(stream, height // reduction, width // reduction)
        except ValueError:
            pass
        return shrunk(decode(data), reduction)

    return decode_reduced


def shrunk(pixels: NDArray[np.uint8], reduction: int) -> NDArray[np.uint8]:
    """Average squares of ``reduction`` × ``reduction`` pixels; the sides are multiples of it."""
    height, width = pixels.shape[:2]
    size = (width // reduction, height // reduction)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def _decode_smaller(stream: bytes, height: int, width: int) -> NDArray[np.uint8]:
    """Decode at one of the sizes that libjpeg-turbo offers.

    Raises:
        ValueError: The stream cannot be decoded, or not without a warning.
    """
    # Of the sizes that are not too small the smallest is taken; warnings count as errors.
    pixels = simplejpeg.decode_jpeg(stream, min_height=height, min_width=width, strict=True)
    if pixels.shape != (height, width, 3):
        raise ValueError(f"decodes to shape {pixels.shape}")
    return np.asarray(pixels, np.uint8)
