"""TIFF directories: which of them form the pyramid and where their tiles are.

tifffile parses the headers; nothing of it is needed afterwards.
"""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffFile, TiffPage

from dfaseg.slide.codecs import TileEncoding, UnknownEncodingError, tile_decoder
from dfaseg.slide.levels import MAX_TILE_PX, StoredLevel, whole_factor
from dfaseg.slide.turbo_jpeg import SizedDecoder, possible_reductions, sized_decoder

PARSE_ERRORS = (
    ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError,
    AssertionError, MemoryError, OSError, EOFError, struct.error,
)  # fmt: skip
"""What parsing headers of a broken file may raise; tifffile checks little before it computes."""

_NDPI_TAG = 65420
_REDUCED = 1
"""Bit of tag 254: a smaller version of another directory."""
_MACRO = 8
"""Bit by which Aperio marks the picture of the whole glass, in the same tag."""


@dataclass(frozen=True, slots=True)
class TiffLevel:
    """One directory of tiles, ready to be read.

    Attributes:
        size: Pixels of the level and of its tiles.
        num_cols: Tiles per row.
        offsets: Where each tile's bytes begin in the file, row by row; 0 = not stored.
        byte_counts: How many bytes each tile has; 0 = not stored.
        decode: From a tile's bytes and a reduction, 1 or one of those of ``size``, to RGB.
    """

    size: StoredLevel
    num_cols: int
    offsets: NDArray[np.uint64]
    byte_counts: NDArray[np.uint64]
    decode: SizedDecoder


def find_levels(tiff: TiffFile) -> tuple[TiffLevel, ...]:
    """Return the pyramid's levels, finest first.

    The largest tiled directory is level 0; its sub-directories and all smaller tiled directories
    of the same proportions follow. Labels, macros and thumbnails are striped, or of another shape.

    Raises:
        UnknownEncodingError: The file's vendor or encoding needs another reader.
        EOFError: The file ends before its headers.
    """
    if not tiff.pages:
        raise EOFError("none where they should be; perhaps it was cut short")
    check_vendor(tiff)
    # Counted first: tifffile goes round for ever in a damaged list that leads back to its start.
    listed = (tiff.pages[index] for index in range(len(tiff.pages)))
    pages = [page for page in listed if isinstance(page, TiffPage)]
    tiled = [page for page in pages if page.is_tiled]
    if not tiled:
        raise UnknownEncodingError("not tiled")
    first = max(tiled, key=lambda page: (_area(page), -page.index))
    by_width = {first.imagewidth: first}
    for page in [*_sub_pages(tiff, first), *tiled]:
        if page.imagewidth not in by_width and _is_smaller_version(page, first, tiff.is_svs):
            by_width[page.imagewidth] = page
    return tuple(_read_level(by_width[width]) for width in sorted(by_width, reverse=True))


def count_full_size(tiff: TiffFile, level0: StoredLevel) -> int:
    """Return how many directories have the size of level 0: more than one are focal planes."""
    return sum(
        (page.imagewidth, page.imagelength) == (level0.width, level0.height)
        for page in tiff.pages
        if isinstance(page, TiffPage)
    )


def check_vendor(tiff: TiffFile) -> None:
    """Refuse those vendors' files whose tiles do not form a plain grid.

    Raises:
        UnknownEncodingError: Only OpenSlide knows how the tiles lie.
    """
    page = tiff.pages.first
    reasons = {
        "Hamamatsu NDPI": tiff.is_ndpi or _NDPI_TAG in page.tags,
        "Leica SCN": tiff.is_scn,
        "Ventana BIF": tiff.is_bif,
        "Philips TIFF": tiff.is_philips,
        "Trestle TIFF": str(page.tags.valueof(305) or "").startswith("MedScan"),
    }
    for vendor, applies in reasons.items():
        if applies:
            raise UnknownEncodingError(f"{vendor} tiles do not form a plain grid")


def _area(page: TiffPage) -> int:
    return page.imagewidth * page.imagelength


def _sub_pages(tiff: TiffFile, page: TiffPage) -> list[TiffPage]:
    """Return a directory's sub-directories, where OME-TIFF keeps the smaller levels."""
    pages = []
    for index, offset in enumerate(page.subifds or ()):
        tiff.filehandle.seek(offset)
        pages.append(TiffPage(tiff, (page.index, index)))
    return pages


def _is_smaller_version(page: TiffPage, first: TiffPage, is_aperio: bool) -> bool:
    """Tell whether a directory is a level of the pyramid rather than another picture."""
    if not page.is_tiled or not 0 < _area(page) < _area(first) or page.subfiletype & _MACRO:
        return False
    size = (first.imagewidth, first.imagelength, page.imagewidth, page.imagelength)
    if whole_factor(*size) is not None:
        return True
    # Sizes rounded to whole pixels distort the proportions of small levels.
    ratio = (size[0] * size[3]) / (size[1] * size[2])
    is_same_shape = abs(ratio - 1) < 0.005 + 2 / min(size[2:])
    return is_same_shape and (is_aperio or bool(page.subfiletype & _REDUCED))


def _read_level(page: TiffPage) -> TiffLevel:
    """Check a directory and take over what reading its tiles needs."""
    encoding = _encoding(page)
    size = StoredLevel(
        width=page.imagewidth,
        height=page.imagelength,
        tile_width=encoding.tile_width,
        tile_height=encoding.tile_height,
        reductions=possible_reductions(encoding),
    )
    if size.tile_width * size.tile_height > MAX_TILE_PX:
        raise UnknownEncodingError(f"tiles of {size.tile_width} × {size.tile_height} px")
    num_cols = -(-size.width // size.tile_width)
    num_tiles = num_cols * -(-size.height // size.tile_height)
    offsets = np.array(page.dataoffsets, np.uint64)
    byte_counts = np.array(page.databytecounts, np.uint64)
    if not len(offsets) == len(byte_counts) == num_tiles:
        raise UnknownEncodingError(f"{len(offsets)} tiles listed instead of {num_tiles}")
    decode = sized_decoder(encoding, tile_decoder(encoding))
    return TiffLevel(size, num_cols, offsets, byte_counts, decode)


def _encoding(page: TiffPage) -> TileEncoding:
    unusual: dict[str, Any] = {
        f"{page.bitspersample} bits per sample": page.bitspersample != 8,
        "samples that are not unsigned integers": page.sampleformat not in {None, 1},
        "separate colour planes": page.planarconfig != 1 and page.samplesperpixel > 1,
        "a volume": page.imagedepth != 1 or page.tiledepth != 1,
        "reversed bits": page.fillorder != 1,
    }
    for reason, applies in unusual.items():
        if applies:
            raise UnknownEncodingError(reason)
    return TileEncoding(
        tile_width=page.tilewidth,
        tile_height=page.tilelength,
        samples=page.samplesperpixel,
        compression=int(page.compression),
        photometric=int(page.photometric),
        predictor=int(page.predictor),
        alpha=int(page.extrasamples[0]) if page.extrasamples else 0,
        jpeg_tables=page.jpegtables,
    )
