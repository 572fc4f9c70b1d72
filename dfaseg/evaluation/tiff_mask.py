"""Grey TIFF masks, decoded tile by tile or strip by strip."""

import struct
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffFile, TiffFileError, TiffPage

from dfaseg.classmap import IGNORE_INDEX, ClassMap
from dfaseg.errors import EvaluationError
from dfaseg.evaluation.align import Frame
from dfaseg.evaluation.mask_rows import MaskRows
from dfaseg.evaluation.tiff_planes import check_is_one_plane
from dfaseg.slide.orientation import UPRIGHT, pair_problem
from dfaseg.slide.tiff_metadata import read_metadata, stated_orientation
from dfaseg.stitcher.ome_xml import LabelFacts, parse_label_xml

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _PALETTE = 0, 1, 3
"""Tag 262: what a sample means. Palette indices are codes, as grey values are."""
_COLOURS = 3
_LOSSY = frozenset({6, 7, 33003, 33005, 34712, 50001})
"""Tag 259: JPEG of both kinds, JPEG 2000 of three, WebP."""
MAX_CHUNK_ROW_PX = 500_000_000
"""A row of tiles, or a strip, is decoded at a time."""
_MOST_REOPENED_PX = 2**26
"""A mask whose rows of chunks are larger is decoded by one process for all that need it."""
_ERRORS = (TiffFileError, OSError, ValueError, IndexError, KeyError, RuntimeError, struct.error)
"""What tifffile and its decoders raise for damaged files."""


class TiffMask:
    """The finest level of a TIFF; see ``MaskFile``.

    The tiles or strips of a few rows are in memory at a time.
    """

    def __init__(self, path: Path, tiff: TiffFile) -> None:
        page = tiff.pages.first
        self.path = path
        facts = parse_label_xml(page.description) if tiff.is_ome else None
        self.classes: ClassMap | None = None if facts is None else facts.classes
        self.slide_id: str | None = None if facts is None else facts.slide_id or None
        self.frame = _frame(tiff, facts)
        self._tiff = tiff
        self._page = page
        self._chunk_height, self._chunk_width = page.chunks[:2]
        self._per_row = -(-page.imagewidth // self._chunk_width)
        self._recent: tuple[int, NDArray[Any]] | None = None
        weakref.finalize(self, tiff.close)

    def read_rows(self, top: int, bottom: int) -> NDArray[Any]:
        """Return codes; see ``MaskFile``.

        Raises:
            EvaluationError: A tile cannot be decoded.
        """
        height = self._chunk_height
        parts = []
        for number in range(top // height, -(-bottom // height)):
            first = number * height
            rows = self._chunk_row(number)
            part = rows[max(0, top - first) : bottom - first]
            # A view would keep all of a large strip while the next one is decoded.
            parts.append(part.copy() if len(part) < len(rows) else part)
            del rows, part
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def within(self, top: int, bottom: int) -> "TiffMask | MaskRows":
        """Return the mask itself, or rows of one whose strips are large; see ``MaskFile``."""
        if self._chunk_height * self.frame.width <= _MOST_REOPENED_PX:
            return self
        return MaskRows(self.path, self.frame, self.read_rows(top, bottom), top)

    def __reduce__(self) -> tuple[Any, ...]:
        """Open it anew in another process."""
        return _open_again, (self.path,)

    def close(self) -> None:
        """Close the file."""
        self._tiff.close()

    def _chunk_row(self, number: int) -> NDArray[Any]:
        """Return one row of tiles, or one strip; the last one is kept, as rows come in order."""
        if self._recent is not None and self._recent[0] == number:
            return self._recent[1]
        self._recent = None  # before the next one is there: a strip can be large
        height = min(self._chunk_height, self.frame.height - number * self._chunk_height)
        rows = self._whole_strip(number, height)
        if rows is None:
            rows = self._joined_tiles(number, height)
        self._recent = (number, rows)
        return rows

    def _whole_strip(self, number: int, height: int) -> NDArray[Any] | None:
        """Return a strip as it was decoded; None for rows that must be put together."""
        strip = self._decode(number) if self._chunk_width == self.frame.width else None
        return None if strip is None or len(strip) < height else strip[:height]

    def _joined_tiles(self, number: int, height: int) -> NDArray[Any]:
        """Return a row of tiles, 255 where one was never written."""
        rows = np.full((height, self.frame.width), IGNORE_INDEX, self._page.dtype)
        for col in range(self._per_row):
            x = col * self._chunk_width
            tile = self._decode(number * self._per_row + col)
            if tile is not None:
                part = rows[:, x : x + self._chunk_width]
                part[:] = tile[: part.shape[0], : part.shape[1]]
        return rows

    def _decode(self, index: int) -> NDArray[Any] | None:
        """Return a tile or strip, None for one that was never written."""
        page = self._page
        try:
            num_bytes = page.databytecounts[index]
            if num_bytes == 0:
                return None
            self._tiff.filehandle.seek(page.dataoffsets[index])
            stored = self._tiff.filehandle.read(num_bytes)
            decoded, _, _ = page.decode(stored, index, jpegtables=page.jpegtables)
        except _ERRORS as error:
            raise EvaluationError(
                f"mask '{self.path}': tile {index} cannot be decoded ({error}); write it again"
            ) from error
        return None if decoded is None else np.asarray(decoded)[0, :, :, 0]


def is_colour_tiff(path: Path) -> bool:
    """Tell whether a file is a TIFF in colours, as slides are and masks are not."""
    with suppress(*_ERRORS), TiffFile(path) as tiff:
        return tiff.pages.first.samplesperpixel >= _COLOURS
    return False


def open_tiff_mask(path: Path) -> TiffMask | None:
    """Open a TIFF that can be read by its tiles or strips; None for other kinds, e.g. colours.

    Raises:
        EvaluationError: The file is damaged, holds several planes, or is stored with loss, with
            white as 0 or to be shown turned.
    """
    try:
        tiff = TiffFile(path)
    except _ERRORS as error:
        raise EvaluationError(f"mask '{path}': not a readable TIFF ({error})") from error
    try:
        _check_storage(path, tiff.pages.first)
        check_is_one_plane(path, tiff)
    except EvaluationError:
        tiff.close()
        raise
    if _is_readable(tiff.pages.first):
        return TiffMask(path, tiff)
    tiff.close()
    return None


def _open_again(path: Path) -> TiffMask:
    tiff = open_tiff_mask(path)
    if tiff is None:
        raise EvaluationError(f"mask '{path}': is another file than it was; run the command again")
    return tiff


def _check_storage(path: Path, page: TiffPage) -> None:
    orientation = stated_orientation(page)
    if orientation != UPRIGHT:
        raise EvaluationError(f"mask '{path}': {pair_problem(orientation)}")
    if int(page.compression) in _LOSSY:
        raise EvaluationError(
            f"mask '{path}': is stored as JPEG or the like, which changes codes along borders; save"
            " it without loss"
        )
    if page.samplesperpixel == 1 and page.photometric == _WHITE_IS_ZERO:
        # Some write their codes as they are, others turn them over so that 1 is white: both read
        # their own files only.
        raise EvaluationError(
            f"mask '{path}': is stored with white as 0 (WhiteIsZero), and programs do not agree"
            " which of its pixels are 0; save it as an 8-bit grey picture with black as 0"
        )
    if page.chunks[0] * page.imagewidth > MAX_CHUNK_ROW_PX:
        raise EvaluationError(
            f"mask '{path}': {page.imagewidth} × {page.imagelength} px without tiles are too many"
            " to be read at once; save it as a tiled TIFF or a mask.zarr"
        )


def _is_readable(page: TiffPage) -> bool:
    return (
        page.samplesperpixel == 1
        and page.imagedepth == 1
        and page.photometric in {_BLACK_IS_ZERO, _PALETTE}
        and page.dtype in {np.dtype(np.uint8), np.dtype(np.uint16)}
    )


def _frame(tiff: TiffFile, facts: LabelFacts | None) -> Frame:
    """Return where the pixels lie; all of it is known of what ``dfaseg export`` wrote."""
    page, mpp = tiff.pages.first, _mpp(tiff)
    if facts is None or mpp is None:
        return Frame(page.imagewidth, page.imagelength, mpp=mpp)
    x, y = (centre - side / 2 for centre, side in zip(facts.origin_um, mpp, strict=True))
    return Frame(page.imagewidth, page.imagelength, mpp, (x, y), facts.level0_scale)


def _mpp(tiff: TiffFile) -> tuple[float, float] | None:
    """Return what the file states of its resolution, where that is plausible for a mask."""
    stated = read_metadata(tiff).resolutions
    return next(((one.mpp_x, one.mpp_y) for one in stated if one.is_plausible), None)
