"""Native reader: tiled TIFF and its kin (SVS, BigTIFF, OME-TIFF), one read and one decode per tile.

Reading tiles as the file stores them avoids what region readers do for generality (composing,
colour conversion, a lock around their cache) and is several times faster than OpenSlide.
"""

import io
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffFile

from dfaseg.errors import ReadError, UnsupportedSlideError
from dfaseg.slide.bytesource import ByteSource, SourceReader, read_exactly
from dfaseg.slide.codecs import DECODE_ERRORS, UnknownEncodingError
from dfaseg.slide.fingerprint import fingerprint
from dfaseg.slide.identity import Identity
from dfaseg.slide.levels import make_levels
from dfaseg.slide.orientation import orientation_warnings
from dfaseg.slide.padding import whiten_outside
from dfaseg.slide.resolution import choose_resolution
from dfaseg.slide.slide import SlideInfo
from dfaseg.slide.tiff_directory import PARSE_ERRORS, TiffLevel, count_full_size, find_levels
from dfaseg.slide.tiff_metadata import TiffMetadata, read_metadata
from dfaseg.slide.turbo_jpeg import shrunk

_HEADER_BUFFER_BYTES = 65536
_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""Little and big endian, TIFF and BigTIFF."""


def is_tiff(source: ByteSource) -> bool:
    """Tell whether a file begins as a TIFF does.

    Raises:
        OSError: The file cannot be read.
    """
    return source.pread(0, 4) in _MAGIC


class TiffSlide:
    """A tiled TIFF whose tiles are decoded directly; safe to read from several threads."""

    def __init__(self, source: ByteSource, info: SlideInfo, stored: tuple[TiffLevel, ...]) -> None:
        """Take over an open ``source``; use ``open_tiff``."""
        self._source = source
        self._info = info
        self._stored = stored

    @property
    def info(self) -> SlideInfo:
        """Facts about the slide."""
        return self._info

    def read_tile(self, level: int, col: int, row: int) -> NDArray[np.uint8] | None:
        """Decode one tile; see ``Slide.read_tile``."""
        return self._read(level, col, row, 1, None)

    def read_reduced_tile(
        self, level: int, col: int, row: int, reduction: int
    ) -> NDArray[np.uint8] | None:
        """Decode one tile smaller; see ``ReducingSlide.read_reduced_tile``."""
        return self._read(level, col, row, reduction, None)

    def read_tile_into(
        self, memory: NDArray[np.uint8], level: int, col: int, row: int, reduction: int
    ) -> NDArray[np.uint8] | None:
        """Decode one tile, to this memory if possible; see ``MemorySlide.read_tile_into``."""
        return self._read(level, col, row, reduction, memory)

    def close(self) -> None:
        """Close the file; later reads fail."""
        self._source.close()

    def _read(
        self, level: int, col: int, row: int, reduction: int, memory: NDArray[np.uint8] | None
    ) -> NDArray[np.uint8] | None:
        """Decode a tile, with white outside the level; ``None`` where none is stored."""
        place = self._info.levels[level]
        if reduction == 1:
            patch = self._decoded(level, col, row, 1, memory)
            if patch is not None:
                whiten_outside(patch, place, col, row)
            return patch
        rect = place.tile_rect(col, row)
        if (rect.width, rect.height) == (place.tile_width, place.tile_height):
            return self._decoded(level, col, row, reduction, memory)
        # What the file stores beyond the edge of the level must be white before pixels are mixed.
        patch = self.read_tile(level, col, row)
        return None if patch is None else shrunk(patch, reduction)

    def _decoded(
        self, level: int, col: int, row: int, reduction: int, memory: NDArray[np.uint8] | None
    ) -> NDArray[np.uint8] | None:
        """Fetch the bytes of a tile and decode them; ``None`` where none are stored."""
        stored = self._stored[level]
        index = row * stored.num_cols + col
        offset, size = int(stored.offsets[index]), int(stored.byte_counts[index])
        if not offset or not size:
            return None
        try:
            return stored.decode(read_exactly(self._source, offset, size), reduction, memory)
        except DECODE_ERRORS as error:
            raise ReadError(
                self._info.slide_id,
                f"tile (level {level}, column {col}, row {row}) cannot be decoded: {error}",
            ) from error


def open_tiff(source: ByteSource, identity: Identity, mpp: float | None) -> TiffSlide:
    """Open a tiled TIFF on its bytes; the slide closes ``source``, a failure leaves it open.

    Raises:
        UnsupportedSlideError: The headers are broken or the encoding needs another reader.
        MissingResolutionError: No believable resolution is stated and ``mpp`` is not given.
        OSError: The source cannot be read.
    """
    if not is_tiff(source):
        raise UnsupportedSlideError(identity.name, "not a TIFF file")
    stored, metadata, num_full_size = _read_headers(source, identity)
    resolution = choose_resolution(
        identity.name, metadata.resolutions, metadata.objective_power, mpp
    )
    planes = () if num_full_size == 1 else (
        f"holds {num_full_size} pictures of full size (focal planes or channels); "
        "only the first is read",
    )  # fmt: skip
    info = SlideInfo(
        slide_id=identity.slide_id,
        location=identity.location,
        reader="tiff",
        fingerprint=fingerprint(source),
        mpp=resolution.mpp,
        mpp_source=resolution.source,
        levels=make_levels([level.size for level in stored]),
        properties=metadata.properties,
        objective_power=metadata.objective_power,
        warnings=(*resolution.warnings, *planes, *orientation_warnings(metadata.orientation)),
    )
    return TiffSlide(source, info, stored)


def _read_headers(
    source: ByteSource, identity: Identity
) -> tuple[tuple[TiffLevel, ...], TiffMetadata, int]:
    """Return levels, metadata and the number of pictures of full size."""
    stream = io.BufferedReader(SourceReader(source), _HEADER_BUFFER_BYTES)
    try:
        with TiffFile(stream, name=identity.name) as tiff:
            stored = find_levels(tiff)
            return stored, read_metadata(tiff), count_full_size(tiff, stored[0].size)
    except UnknownEncodingError as error:
        _refuse(identity, str(error), error)
    except PARSE_ERRORS as error:
        _refuse(identity, f"damaged TIFF headers ({error})", error)


def _refuse(identity: Identity, problem: str, cause: Exception) -> NoReturn:
    raise UnsupportedSlideError(identity.name, problem) from cause
