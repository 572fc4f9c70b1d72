"""OpenSlide reader, for every format that is not a plain grid of TIFF tiles.

MRXS, NDPI, SCN, BIF, DICOM and more; read in blocks aligned with the file's own tiles.
"""

import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import openslide
from numpy.typing import NDArray

from dfaseg.errors import ReadError, UnsupportedSlideError
from dfaseg.slide.bytesource import FileSource
from dfaseg.slide.fingerprint import fingerprint
from dfaseg.slide.identity import Identity
from dfaseg.slide.levels import make_levels
from dfaseg.slide.openslide_properties import (
    companion_facts,
    objective_power,
    stated_bounds,
    stated_resolutions,
    stored_levels,
)
from dfaseg.slide.padding import over_white, padded_white
from dfaseg.slide.regions import block_region
from dfaseg.slide.resolution import choose_resolution
from dfaseg.slide.slide import SlideInfo

_CACHE_BYTES = 64 * 2**20
"""Enough for a row of strips; blocks are read once, so that more would only hold memory."""
_OPENSLIDE_ERRORS = (openslide.OpenSlideError, OSError, ValueError, MemoryError)
"""``ValueError`` is raised by a handle that was closed."""


class OpenSlideSlide:
    """A slide read through OpenSlide; safe to read from several threads."""

    def __init__(self, path: Path, handle: openslide.OpenSlide, info: SlideInfo) -> None:
        """Take over an open ``handle``; use ``open_with_openslide``."""
        self._path = path
        self._info = info
        self._handle: openslide.OpenSlide | None = handle
        self._lock = threading.Lock()

    @property
    def info(self) -> SlideInfo:
        """Facts about the slide."""
        return self._info

    def read_tile(self, level: int, col: int, row: int) -> NDArray[np.uint8] | None:
        """Decode one block of the file's own tiles; see ``Slide.read_tile``."""
        handle = self._handle
        if handle is None:
            raise self._read_error(level, col, row, "the slide is closed")
        try:
            return self._read(handle, level, col, row)
        except _OPENSLIDE_ERRORS:
            # A handle that has failed once fails forever, and the failure may be another thread's.
            # Only a handle of one's own tells whether this very block is bad.
            return self._read_afresh(level, col, row)

    def close(self) -> None:
        """Give up the handle; later reads fail. It is freed when the last reader has finished."""
        with self._lock:
            self._handle = None

    def _read_afresh(self, level: int, col: int, row: int) -> NDArray[np.uint8] | None:
        """Read through a handle of one's own, which replaces the failed one if it succeeds."""
        try:
            handle = _open_handle(self._path)
            patch = self._read(handle, level, col, row)
        except _OPENSLIDE_ERRORS as error:
            raise self._read_error(level, col, row, str(error)) from error
        with self._lock:
            if self._handle is not None:
                self._handle = handle
        return patch

    def _read(
        self, handle: openslide.OpenSlide, level: int, col: int, row: int
    ) -> NDArray[np.uint8] | None:
        place = self._info.levels[level]
        region = block_region(place, col, row, handle.level_downsamples[level])
        image = handle.read_region(
            (region.level0_x, region.level0_y), level, (region.width, region.height)
        )
        rgba = np.asarray(image)
        if not rgba[..., 3].any():
            return None  # never scanned
        # Python's OpenSlide hands out colours that are not premultiplied.
        pixels = over_white(rgba, is_premultiplied=False)
        if pixels.shape[:2] == (place.tile_height, place.tile_width):
            return pixels
        return padded_white(pixels, place.tile_width, place.tile_height)

    def _read_error(self, level: int, col: int, row: int, problem: str) -> ReadError:
        return ReadError(
            self._info.slide_id,
            f"tile (level {level}, column {col}, row {row}) cannot be decoded: {problem}",
        )


def open_with_openslide(path: Path, identity: Identity, mpp: float | None) -> OpenSlideSlide:
    """Open any slide that OpenSlide knows.

    Raises:
        UnsupportedSlideError: OpenSlide does not know the format, or the file is damaged.
        MissingResolutionError: No believable resolution is stated and ``mpp`` is not given.
    """
    try:
        handle = _open_handle(path)
        properties = dict(handle.properties)
        levels = make_levels(stored_levels(properties, handle.level_dimensions))
    except openslide.OpenSlideUnsupportedFormatError as error:
        raise UnsupportedSlideError(identity.name, "not a format OpenSlide knows") from error
    except _OPENSLIDE_ERRORS as error:
        raise UnsupportedSlideError(identity.name, f"damaged slide ({error})") from error
    power = objective_power(properties)
    resolution = choose_resolution(identity.name, stated_resolutions(properties), power, mpp)
    info = SlideInfo(
        slide_id=identity.slide_id,
        location=identity.location,
        reader="openslide",
        fingerprint=_fingerprint(path, properties),
        mpp=resolution.mpp,
        mpp_source=resolution.source,
        levels=levels,
        level0_bounds=stated_bounds(properties),
        properties=properties,
        objective_power=power,
        warnings=resolution.warnings,
    )
    return OpenSlideSlide(path, handle, info)


def _open_handle(path: Path) -> openslide.OpenSlide:
    handle = openslide.OpenSlide(path)
    handle.set_cache(openslide.OpenSlideCache(_CACHE_BYTES))
    return handle


def _fingerprint(path: Path, properties: Mapping[str, str]) -> str:
    source = FileSource(path)
    try:
        return fingerprint(source, companion_facts(path, properties))
    finally:
        source.close()
