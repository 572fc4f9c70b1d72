"""Masks of any kind of file, read a few rows at a time."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dfaseg.classmap import ClassMap
from dfaseg.datasets.pictures import read_codes
from dfaseg.errors import EvaluationError
from dfaseg.evaluation.align import Frame
from dfaseg.evaluation.mask_rows import MaskRows
from dfaseg.evaluation.tiff_mask import open_tiff_mask
from dfaseg.geometry import Rect
from dfaseg.slide.pillow import PILLOW_ERRORS, tamed_pillow
from dfaseg.stitcher.mask_reader import MaskReader, open_mask, read_overview
from dfaseg.stitcher.store_errors import mapped_errors

STORE_SUFFIX = ".zarr"
PICTURE_SUFFIXES = frozenset({".png", ".bmp", ".gif"})
TIFF_SUFFIXES = frozenset({".tif", ".tiff"})
MASK_SUFFIXES = PICTURE_SUFFIXES | TIFF_SUFFIXES
MAX_PICTURE_PX = 500_000_000
"""A picture that can only be decoded as a whole takes a byte per pixel or more."""

_REMEDY = "save it again as an 8-bit grey PNG"


class MaskFile(Protocol):
    """An opened mask."""

    path: Path
    frame: Frame
    classes: ClassMap | None
    """Its own classes in the order of its codes, where the file names them."""
    slide_id: str | None
    """The slide it is of, where the file says so."""

    def read_rows(self, top: int, bottom: int) -> NDArray[Any]:
        """Return codes as stored, 255 where not analysed, ``(bottom - top, width)``."""
        ...

    def within(self, top: int, bottom: int) -> "MaskFile":
        """Return the mask for who reads only some rows; another process can be sent it.

        That one opens it anew, or gets the rows where opening takes long.
        """
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


def is_mask_path(path: Path) -> bool:
    """Tell by its ending whether a path can be a mask."""
    return path.suffix.lower() in {STORE_SUFFIX, *MASK_SUFFIXES}


def stated_slide_id(path: Path) -> str | None:
    """Return the id of the slide that a mask store was made from; None where nothing is said.

    Raises:
        OutputError: The mask store is missing or damaged.
    """
    return _slide_id(open_mask(path).record) if path.suffix.lower() == STORE_SUFFIX else None


def stated_class_names(path: Path) -> tuple[str, ...]:
    """Return the names of a mask's classes; empty where the file names none.

    Raises:
        EvaluationError: A TIFF is damaged or no mask.
        OutputError: The mask store is missing or damaged.
    """
    # No picture names its classes, and it would be decoded as a whole.
    if path.suffix.lower() not in {STORE_SUFFIX, *TIFF_SUFFIXES}:
        return ()
    if path.suffix.lower() == STORE_SUFFIX:
        return open_mask(path).spec.classes.names
    tiff = open_tiff_mask(path)
    if tiff is None:
        return ()
    tiff.close()
    return tiff.classes.names if tiff.classes else ()


def overview_beside(path: Path, longest_px: int) -> NDArray[np.uint8] | None:
    """Return the slide's picture that a mask store holds, RGB ``(h, w, 3)``; None for other files.

    Args:
        path: The mask.
        longest_px: Longer side that is wanted.

    Raises:
        OutputError: The mask store is damaged.
    """
    return read_overview(path, longest_px) if path.suffix.lower() == STORE_SUFFIX else None


def open_mask_file(path: Path) -> MaskFile:
    """Open a mask store, a TIFF (read by tiles or strips) or a picture (read as a whole).

    Raises:
        EvaluationError: The file is no mask or too large for its kind.
        OutputError: The mask store is missing or damaged.
        DatasetError: A picture cannot be read or has colours.
    """
    suffix = path.suffix.lower()
    if suffix == STORE_SUFFIX:
        return StoredMask(path, open_mask(path))
    if suffix not in MASK_SUFFIXES:
        raise EvaluationError(f"'{path}': is not a mask; give a mask.zarr, a PNG or a TIFF")
    tiff = open_tiff_mask(path) if suffix in TIFF_SUFFIXES else None
    return tiff or _open_picture(path)


class StoredMask:
    """A mask store; see ``MaskFile``."""

    def __init__(self, path: Path, reader: MaskReader) -> None:
        spec, record = reader.spec, reader.record
        self.path = path
        self.classes: ClassMap | None = spec.classes
        self.slide_id = _slide_id(record)
        self.frame = Frame(
            spec.width,
            spec.height,
            mpp=(spec.mpp_x, spec.mpp_y),
            corner_um=(spec.origin_x_um - spec.mpp_x / 2, spec.origin_y_um - spec.mpp_y / 2),
            level0_scale=_level0_scale(record),
        )
        self._reader = reader

    def read_rows(self, top: int, bottom: int) -> NDArray[Any]:
        """Return codes; see ``MaskFile``."""
        with mapped_errors(self.path):
            return self._reader.read(rect=Rect(0, top, self.frame.width, bottom - top))

    def within(self, top: int, bottom: int) -> "StoredMask":  # noqa: ARG002 - see ``MaskFile``
        """Return the mask itself."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Open it anew in another process."""
        return open_mask_file, (self.path,)

    def close(self) -> None:
        """Nothing to let go of: chunks are opened one by one."""


def _open_picture(path: Path) -> MaskRows:
    with suppress(*PILLOW_ERRORS):  # whatever is wrong is said when it is decoded
        with tamed_pillow():
            picture = Image.open(path)
        with picture:
            _check_size(path, *picture.size)
    codes = read_codes(path, _REMEDY)
    return MaskRows(path, Frame(codes.shape[1], codes.shape[0]), codes)


def _check_size(path: Path, width: int, height: int) -> None:
    if width * height > MAX_PICTURE_PX:
        raise EvaluationError(
            f"mask '{path}': {width} × {height} px are too many for a picture that must be decoded"
            " as a whole; save it as a tiled grey TIFF or a mask.zarr"
        )


def _slide_id(record: Mapping[str, Any]) -> str | None:
    slide = record.get("slide")
    found = slide.get("id") if isinstance(slide, Mapping) else None
    return found if isinstance(found, str) and found else None


def _level0_scale(record: Mapping[str, Any]) -> tuple[float, float] | None:
    scale = record.get("level0_px_per_mask_px")
    if isinstance(scale, list) and len(scale) == 2:
        with suppress(TypeError, ValueError):
            x, y = float(scale[0]), float(scale[1])
            return (x, y) if min(x, y) > 0 else None
    return None
