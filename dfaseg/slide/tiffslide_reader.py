"""tiffslide reader: NDPI and Philips TIFF on other machines, which OpenSlide cannot reach.

Of the formats that are not a plain grid of TIFF tiles, these are the two that tiffslide lays out
as OpenSlide does; it ignores the overlaps of others and leaves gaps black.
"""

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import tiffslide
from numpy.typing import NDArray

from dfaseg.errors import ReadError, UnsupportedSlideError
from dfaseg.slide.bytesource import ByteSource, SourceReader
from dfaseg.slide.codecs import DECODE_ERRORS
from dfaseg.slide.fingerprint import fingerprint
from dfaseg.slide.identity import Identity
from dfaseg.slide.levels import make_levels
from dfaseg.slide.openslide_properties import (
    objective_power,
    stated_bounds,
    stated_resolutions,
    stored_levels,
)
from dfaseg.slide.padding import padded_white
from dfaseg.slide.regions import block_region
from dfaseg.slide.resolution import choose_resolution
from dfaseg.slide.slide import SlideInfo
from dfaseg.slide.tiff_directory import PARSE_ERRORS

_HEADER_BUFFER_BYTES = 2**18


class TiffslideSlide:
    """A slide read through tiffslide; safe to read from several threads, which take turns."""

    def __init__(self, source: ByteSource, reader: tiffslide.TiffSlide, info: SlideInfo) -> None:
        """Take over an open ``source``; use ``open_with_tiffslide``."""
        self._source = source
        self._reader = reader
        self._info = info
        # tiffslide seeks in one shared stream.
        self._lock = threading.Lock()

    @property
    def info(self) -> SlideInfo:
        """Facts about the slide."""
        return self._info

    def read_tile(self, level: int, col: int, row: int) -> NDArray[np.uint8] | None:
        """Decode one block of the file's own tiles; see ``Slide.read_tile``."""
        place = self._info.levels[level]
        downsample = self._reader.level_downsamples[level]
        region = block_region(place, col, row, downsample)
        corner, size = (region.level0_x, region.level0_y), (region.width, region.height)
        try:
            with self._lock:
                pixels = self._reader.read_region(corner, level, size, as_array=True)
        except (*DECODE_ERRORS, *PARSE_ERRORS) as error:
            raise ReadError(
                self._info.slide_id,
                f"tile (level {level}, column {col}, row {row}) cannot be decoded: {error}",
            ) from error
        return padded_white(
            np.asarray(pixels, np.uint8)[..., :3], place.tile_width, place.tile_height
        )

    def close(self) -> None:
        """Close the reader and its source; later reads fail."""
        with self._lock:
            self._reader.close()
        self._source.close()


def open_with_tiffslide(
    source: ByteSource, identity: Identity, mpp: float | None
) -> TiffslideSlide:
    """Open a slide on its bytes; the slide closes ``source``, a failure leaves it open.

    Raises:
        UnsupportedSlideError: tiffslide does not know the format or the file is damaged.
        MissingResolutionError: No believable resolution is stated and ``mpp`` is not given.
    """
    stream = io.BufferedReader(SourceReader(source), _HEADER_BUFFER_BYTES)
    try:
        with _quiet():
            reader = tiffslide.TiffSlide(stream, tifffile_options={"name": identity.name})
            stated = {
                # The same keys as OpenSlide's but for their prefix.
                key.replace("tiffslide.", "openslide.", 1): str(value)
                for key, value in reader.properties.items()
                if value is not None
            }
            levels = make_levels(stored_levels(stated, reader.level_dimensions))
            _check_kind(reader)
    except PARSE_ERRORS as error:
        raise UnsupportedSlideError(identity.name, f"tiffslide cannot read it ({error})") from error
    power = objective_power(stated)
    resolution = choose_resolution(identity.name, stated_resolutions(stated), power, mpp)
    info = SlideInfo(
        slide_id=identity.slide_id,
        location=identity.location,
        reader="tiffslide",
        fingerprint=fingerprint(source),
        mpp=resolution.mpp,
        mpp_source=resolution.source,
        levels=levels,
        level0_bounds=stated_bounds(stated),
        properties=stated,
        objective_power=power,
        warnings=resolution.warnings,
    )
    return TiffslideSlide(source, reader, info)


@contextmanager
def _quiet() -> Iterator[None]:
    """Mute tiffslide's remarks on formats it knows in part; what matters here is checked."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _check_kind(reader: tiffslide.TiffSlide) -> None:
    """Refuse what tiffslide may get wrong.

    Raises:
        ValueError: Neither NDPI nor Philips TIFF, or not 8-bit RGB.
    """
    tiff = reader.ts_tifffile
    if not tiff.is_ndpi and not tiff.is_philips:
        raise ValueError("neither NDPI nor Philips TIFF")
    pixel = reader.read_region((0, 0), 0, (1, 1), as_array=True)
    if pixel.dtype != np.uint8 or pixel.shape[2:] not in {(3,), (4,)}:
        raise ValueError(f"pixels of type {pixel.dtype}, shape {pixel.shape}")
