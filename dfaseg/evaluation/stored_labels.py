"""Masks on disk as labels of a slide, read a few rows at a time at any resolution."""

from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation import ClassRules, LabelFrame
from dfaseg.classmap import IGNORE_INDEX
from dfaseg.datasets.pictures import CodeTable
from dfaseg.datasets.slide_labels import find_downsamples
from dfaseg.errors import AnnotationError
from dfaseg.evaluation.mask_files import MaskFile, open_mask_file
from dfaseg.geometry import Rect
from dfaseg.slide import SlideInfo

_BAND_ROWS = 512
"""Rows read at a time: those of most tiles and chunks."""
_BANDS_KEPT = 4
"""Tiles of a slide come row by row, so that each band is asked for many times."""


class StoredCodes:
    """The codes of a mask that is opened, and where its pixels lie on the slide.

    Args:
        file: The mask.
        scale: Level-0 px per mask px, ``(x, y)``.
        corner: Corner of its first pixel, ``(x, y)`` in level-0 px.
    """

    def __init__(
        self, file: MaskFile, scale: tuple[float, float], corner: tuple[float, float]
    ) -> None:
        self.path = file.path
        self.width, self.height = file.frame.width, file.frame.height
        self.scale, self.corner = scale, corner
        self._file = file
        self._bands: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._lock = Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave the bands that were read to this process."""
        return StoredCodes, (self._file, self.scale, self.corner)

    def within(self, top: int, bottom: int) -> "StoredCodes":
        """Return the codes for who reads only some rows; see ``MaskFile.within``."""
        first = min(max(top, 0), self.height - 1) // _BAND_ROWS
        end = -(-max(bottom, first * _BAND_ROWS + 1) // _BAND_ROWS)
        file = self._file.within(first * _BAND_ROWS, min(end * _BAND_ROWS, self.height))
        return StoredCodes(file, self.scale, self.corner)

    def band(self, number: int) -> NDArray[Any]:
        """Return the codes of the rows from ``512 * number``, ``(n, width)``."""
        with self._lock:
            found = self._bands.pop(number, None)
            if found is None:
                top = number * _BAND_ROWS
                found = self._file.read_rows(top, min(top + _BAND_ROWS, self.height))
            self._bands[number] = found
            while len(self._bands) > _BANDS_KEPT:
                self._bands.popitem(last=False)
            return found


class StoredLabels:
    """A mask as the label of a slide; see ``SlideLabel``.

    Args:
        codes: The mask.
        table: What its codes mean.
        frame: Pixels in which it is read.
    """

    def __init__(self, codes: StoredCodes, table: CodeTable, frame: LabelFrame) -> None:
        self._codes, self._table, self._frame = codes, table, frame

    def on(self, frame: LabelFrame) -> "StoredLabels":
        """Return the same label in other pixels."""
        return StoredLabels(self._codes, self._table, frame)

    def within(self, top: int, bottom: int) -> "StoredLabels":
        """Return the same label for who reads only some rows, as another process can be sent it."""
        rows = self._rows(top, bottom)
        codes = self._codes.within(int(rows[0]), int(rows[-1]) + 1)
        return StoredLabels(codes, self._table, self._frame)

    def read_rect(self, rect: Rect) -> NDArray[np.uint8]:
        """Return class indices, 255 where the label or the mask does not reach, ``(h, w)``.

        Raises:
            DatasetError: A code is unknown.
            DfasegError: The file cannot be read.
        """
        codes, frame = self._codes, self._frame
        label = np.full((rect.height, rect.width), IGNORE_INDEX, np.uint8)
        inner = rect.intersection(Rect(0, 0, frame.width, frame.height))
        x = frame.corner_x + (np.arange(inner.x, inner.right) + 0.5) * frame.scale_x
        cols = np.floor((x - codes.corner[0]) / codes.scale[0]).astype(np.intp)
        rows = self._rows(inner.y, inner.bottom)
        in_cols = np.flatnonzero((cols >= 0) & (cols < codes.width))
        in_rows = np.flatnonzero((rows >= 0) & (rows < codes.height))
        band_of = rows[in_rows] // _BAND_ROWS
        for number in np.unique(band_of).tolist():
            here = in_rows[band_of == number]
            places = np.ix_(rows[here] - number * _BAND_ROWS, cols[in_cols])
            part = self._table.to_label(codes.band(number)[places], codes.path)
            label[np.ix_(here + inner.y - rect.y, in_cols + inner.x - rect.x)] = part
        return label

    def _rows(self, top: int, bottom: int) -> NDArray[np.intp]:
        """Return which row of the mask each row of the label shows; it may have no such row."""
        codes, frame = self._codes, self._frame
        y = frame.corner_y + (np.arange(top, bottom) + 0.5) * frame.scale_y
        rows: NDArray[np.intp] = np.floor((y - codes.corner[1]) / codes.scale[1]).astype(np.intp)
        return rows


def open_stored_labels(
    path: Path, info: SlideInfo, rules: ClassRules, frame: LabelFrame
) -> StoredLabels:
    """Open a mask of a whole slide, or of a part if it states where that lies.

    Codes mean what the mask says of its classes, by their names; else what the rules say of codes.

    Args:
        path: Mask store, TIFF or picture.
        info: Facts about the slide.
        rules: What names and codes mean.
        frame: Pixels in which the label is read.

    Raises:
        AnnotationError: The mask is of another slide or has unknown classes.
        DfasegError: The file cannot be read.
    """
    file = open_mask_file(path)
    what = f"mask '{path}'"
    try:
        _check_slide(what, file, info)
        table = _table(what, file, rules)
        scale = file.frame.level0_scale or _downsamples(what, file, info)
    except BaseException:
        file.close()
        raise
    return StoredLabels(StoredCodes(file, scale, file.frame.level0_corner), table, frame)


def _check_slide(what: str, file: MaskFile, info: SlideInfo) -> None:
    if file.slide_id not in {None, *info.names}:
        raise AnnotationError(
            f"{what}: is of slide '{file.slide_id}', not of '{info.slide_id}'; give that of"
            f" '{info.slide_id}'"
        )


def _table(what: str, file: MaskFile, rules: ClassRules) -> CodeTable:
    if file.classes is None:
        return CodeTable(rules.codes)
    rules.check_names(what, file.classes.names)
    known = {entry.index: rules.index_of(entry.name) for entry in file.classes}
    return CodeTable(known | {IGNORE_INDEX: IGNORE_INDEX})


def _downsamples(what: str, file: MaskFile, info: SlideInfo) -> tuple[float, float]:
    try:
        return find_downsamples(file.frame.width, file.frame.height, info.levels[0])
    except ValueError as error:
        raise AnnotationError(
            f"{what}: {error}; it must cover the whole slide '{info.slide_id}'"
        ) from error
