"""JPEG tiles by libjpeg-turbo's own interface: whole, or at a half, a quarter or an eighth.

It decodes the usual tile with half the Python that the general decoder takes, never slower and to
the same pixels. JPEG stores blocks of 8 × 8 pixels as frequencies, and libjpeg-turbo can also leave
out those that a smaller picture does not show. That is less work than decoding all pixels and
averaging them, and gives nearly the same: ``docs/design/0009-scaled-jpeg.md`` says how nearly.
"""

from collections.abc import Callable

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from dfaseg.slide.codecs import JPEG, RGB, Decoder, TileEncoding

SizedDecoder = Callable[[bytes, int, NDArray[np.uint8] | None], NDArray[np.uint8]]
"""From a tile's bytes and a reduction to RGB, ``(tile_height / r, tile_width / r, 3)``; a reduction
of 1 gives all pixels. If contiguous memory of that shape is given, they may lie there."""

_REDUCTIONS = (2, 4, 8)
_WHOLE_SUBSAMPLINGS = frozenset({"444", "422", "420"})
_REDUCED_SUBSAMPLINGS = frozenset({"444", "420"})
"""Chroma that is coarser along one axis only is left coarse along it when tiles are decoded
smaller, where averaging would give it its full share."""
_START = b"\xff\xd8"
"""Marker with which every JPEG stream begins; the one that ends it has as many bytes."""
_ADOBE_RGB = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
"""Header that says: three components without a colour transform."""


def possible_reductions(encoding: TileEncoding) -> tuple[int, ...]:
    """Return the factors by which such tiles can be decoded smaller; none for other than JPEG."""
    if not _is_colour_jpeg(encoding):
        return ()
    sides = (encoding.tile_width, encoding.tile_height)
    return tuple(factor for factor in _REDUCTIONS if not any(side % factor for side in sides))


def sized_decoder(encoding: TileEncoding, decode: Decoder) -> SizedDecoder:
    """Return the function that decodes a tile whole or smaller, by one of its reductions.

    A tile that is unusual in any way is left to the general decoder, and averaged, so that a tile
    gives the same pixels and fails for the same reason whichever way it is decoded.

    Args:
        encoding: How the tiles are stored.
        decode: The general decoder, of whole tiles.
    """
    if not _is_colour_jpeg(encoding):
        return lambda data, reduction, *_: shrunk(decode(data), reduction)
    shape = (encoding.tile_height, encoding.tile_width)
    tables = (encoding.jpeg_tables or b"")[len(_START) : -len(_START)]

    def decode_sized(
        data: bytes, reduction: int, memory: NDArray[np.uint8] | None = None
    ) -> NDArray[np.uint8]:
        # A JFIF header means YCbCr whatever the directory claims.
        is_rgb = encoding.photometric == RGB and b"JFIF" not in data[:24]
        header = (_ADOBE_RGB if is_rgb else b"") + tables
        stream = b"".join((_START, header, data[len(_START) :])) if header else data
        try:
            height, width, colours, subsampling = simplejpeg.decode_jpeg_header(stream)
            is_usual = (height, width) == shape and colours == ("RGB" if is_rgb else "YCbCr")
            usual = _WHOLE_SUBSAMPLINGS if reduction == 1 else _REDUCED_SUBSAMPLINGS
            if is_usual and subsampling in usual and data.startswith(_START):
                return _decode(stream, height // reduction, width // reduction, memory)
        except ValueError:
            pass
        return shrunk(decode(data), reduction)

    return decode_sized


def shrunk(pixels: NDArray[np.uint8], reduction: int) -> NDArray[np.uint8]:
    """Average squares of ``reduction`` × ``reduction`` pixels; the sides are multiples of it."""
    if reduction == 1:
        return pixels
    height, width = pixels.shape[:2]
    size = (width // reduction, height // reduction)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def _is_colour_jpeg(encoding: TileEncoding) -> bool:
    return encoding.compression == JPEG and encoding.samples == 3


def _decode(
    stream: bytes, height: int, width: int, memory: NDArray[np.uint8] | None
) -> NDArray[np.uint8]:
    """Decode at one of the sizes that libjpeg-turbo offers.

    Raises:
        ValueError: The stream cannot be decoded, or not without a warning.
    """
    # Of the sizes that are not too small the smallest is taken; warnings count as errors.
    pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
        stream, min_height=height, min_width=width, buffer=memory, strict=True
    )
    if pixels.shape != (height, width, 3):
        raise ValueError(f"decodes to shape {pixels.shape}")
    return pixels
