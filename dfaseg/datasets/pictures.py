"""Pairs of an image and a mask, decoded from pictures and checked."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import PHOTOMETRIC_INTERPRETATION, TiffImageFile

from dfaseg.datasets.dataset import Example, LabelledImage
from dfaseg.errors import DatasetError
from dfaseg.slide.orientation import UPRIGHT, orientation_of, pair_problem
from dfaseg.slide.padding import over_white
from dfaseg.slide.pillow import PILLOW_ERRORS, tamed_pillow

PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"})
LOSSLESS_SUFFIXES = PICTURE_SUFFIXES - {".jpg", ".jpeg"}
"""A mask stored as JPEG has other codes along every border."""

MAX_PICTURE_PX = 2_000_000_000
"""6 GB in memory."""

_LARGE_PX = 80_000_000
"""Below Pillow's own limit, beyond which it complains."""
_FEW_BITS = re.compile(r"L;([24])")
"""Pillow's word for greys of 2 or 4 bits."""
_WHITE_IS_ZERO = 0
"""In place of black, in a TIFF's tag of that name."""
_UNKNOWN = 256
"""Neither a class nor the ignore index: no uint8 label can hold it."""


@dataclass(frozen=True, slots=True)
class CodeTable:
    """Which code of a mask file means which class index.

    Attributes:
        indices: Class index, or 255 = ignore, of each known code.
        others: Index of every other code (e.g. of instance ids), or None if others are errors.
        remedy: What to do about an unknown code.
    """

    indices: Mapping[int, int]
    others: int | None = None
    remedy: str = "correct the mask or the class table"
    _lookup: NDArray[np.uint16] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Two entries beyond the largest code: one for all larger codes, the last for those below 0.
        lookup = np.full(max(self.indices) + 3, _UNKNOWN, np.uint16)
        if self.others is not None:
            lookup[:-1] = self.others
        for code, index in self.indices.items():
            lookup[code] = index
        object.__setattr__(self, "_lookup", lookup)

    def to_label(self, codes: NDArray[Any], path: Path) -> NDArray[np.uint8]:
        """Turn codes into class indices.

        Args:
            codes: Whole numbers, shape ``(h, w)``.
            path: The mask's file, for messages.

        Returns:
            Class indices, 255 = ignore, shape ``(h, w)``.

        Raises:
            DatasetError: A code is unknown.
        """
        beyond = len(self._lookup) - 2
        if codes.size and (codes.min() < 0 or codes.max() > beyond):
            places = np.where(codes < 0, beyond + 1, np.minimum(codes, beyond))
        else:
            places = codes
        label: NDArray[np.uint16] = self._lookup[places]
        if (label == _UNKNOWN).any():
            self._refuse(codes[label == _UNKNOWN], path)
        return label.astype(np.uint8)

    def _refuse(self, unknown: NDArray[Any], path: Path) -> None:
        values, counts = np.unique(unknown, return_counts=True)
        known = ", ".join(str(code) for code in sorted(self.indices))
        more = f" (and {len(values) - 1} other unknown codes)" if len(values) > 1 else ""
        raise DatasetError(
            f"mask '{path}': code {values[0]} in {counts[0]} pixels is unknown{more}; the known"
            f" codes are {known}: {self.remedy}"
        )


@dataclass(frozen=True, slots=True)
class PairReader:
    """Reads an image with its mask.

    Attributes:
        table: Meaning of the mask's codes.
        remedy: What to do about a damaged file, e.g. "download it again from ...".
    """

    table: CodeTable
    remedy: str

    def example(self, name: str, case: str, image_path: Path, mask_path: Path) -> Example:
        """Return an example that reads this pair when asked to."""
        return Example(name, case, partial(self.read, image_path, mask_path))

    def read(self, image_path: Path, mask_path: Path) -> LabelledImage:
        """Decode both files.

        Raises:
            DatasetError: A file is damaged, the sizes differ or a code is unknown.
        """
        image = read_image(image_path, self.remedy)
        codes = read_codes(mask_path, self.remedy)
        check_same_size(image, codes, image_path, mask_path)
        return LabelledImage(image, self.table.to_label(codes, mask_path))


def read_image(path: Path, remedy: str) -> NDArray[np.uint8]:
    """Decode a picture to RGB, shape ``(h, w, 3)``; 16 bits are cut to 8, alpha lies over white.

    Raises:
        DatasetError: The file cannot be read (the message ends with the remedy), or holds
            fractions: what Pillow makes of those is black where white is 1.
    """
    with _opened(path, remedy) as picture:
        pass
    if picture.mode == "F":
        raise DatasetError(f"image '{path}': holds fractions; save it with 8 bits per channel")
    if picture.mode in {"I;16", "I;16B", "I;16L", "I"}:
        grey = (np.clip(np.asarray(picture), 0, 65535) >> 8).astype(np.uint8)
        return np.repeat(grey[..., np.newaxis], 3, axis=2)
    if picture.mode in {"LA", "PA", "RGBA"} or "transparency" in picture.info:
        return over_white(np.asarray(picture.convert("RGBA")), is_premultiplied=False)
    return np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"))


def read_codes(path: Path, remedy: str) -> NDArray[Any]:
    """Decode a mask to whole numbers, shape ``(h, w)``.

    Grey values (1 to 16 bits) and palette indices are codes; so is a colour whose three channels
    are equal. Alpha has no meaning.

    Raises:
        DatasetError: The file cannot be read, has colours where codes are expected or 16 bits per
            colour, or is a TIFF that stores white as 0: programs do not agree which of its pixels
            are 0.
    """
    with _opened(path, remedy) as picture:
        _refuse_deep_colours(picture, path)
        step = _step_of_greys(picture)
    if _is_white_zero(picture):
        raise DatasetError(
            f"mask '{path}': is stored with white as 0 (WhiteIsZero), which programs read in two"
            " ways; save it as an 8-bit grey picture with black as 0"
        )
    if picture.mode in {"P", "PA"}:
        _check_palette(picture, path)
        return np.array(picture.getchannel(0))
    if picture.mode == "F":
        raise DatasetError(f"mask '{path}': holds fractions; save it with whole numbers")
    codes = np.array(picture)
    if step > 1:
        codes //= step
    if picture.mode in {"1", "L", "I", "I;16", "I;16B", "I;16L"}:
        return codes.astype(np.uint8) if codes.dtype == np.bool_ else codes
    if picture.mode == "LA":
        return np.ascontiguousarray(codes[..., 0])
    return _grey_of(codes, path)


def check_same_size(
    image: NDArray[Any], mask: NDArray[Any], image_path: Path, mask_path: Path
) -> None:
    """Refuse an image and a mask of different size.

    Raises:
        DatasetError: The sizes differ; the message names both files.
    """
    if image.shape[:2] != mask.shape[:2]:
        sizes = [f"{array.shape[1]} × {array.shape[0]} px" for array in (image, mask)]
        raise DatasetError(
            f"image '{image_path}': {sizes[0]}, but its mask '{mask_path}' is {sizes[1]};"
            " both must have the same size"
        )


@contextmanager
def _opened(path: Path, remedy: str) -> Iterator[ImageFile]:
    """Open a picture, which is decoded at the end: before, Pillow tells how it is stored."""
    try:
        with tamed_pillow():
            picture = Image.open(path)
        with picture:
            _check_size(picture, path)
            yield picture
            _check_upright(picture, path)
            # Of a large TIFF the limit is looked at again.
            is_large = picture.width * picture.height > _LARGE_PX
            with tamed_pillow() if is_large else nullcontext():
                picture.load()
    except PILLOW_ERRORS as error:
        raise DatasetError(f"file '{path}': not a readable picture ({error}); {remedy}") from error


def _check_size(picture: ImageFile, path: Path) -> None:
    if picture.width * picture.height > MAX_PICTURE_PX:
        raise DatasetError(
            f"file '{path}': {picture.width} × {picture.height} px are too many for one"
            " training picture; cut it into parts"
        )


def _check_upright(picture: ImageFile, path: Path) -> None:
    orientation = orientation_of(picture)
    if orientation != UPRIGHT:
        raise DatasetError(f"file '{path}': {pair_problem(orientation)}")


def _step_of_greys(picture: ImageFile) -> int:
    """Return by how much Pillow makes greys of 2 or 4 bits differ, of which codes differ by 1."""
    kinds = [_FEW_BITS.search(str(tile.args)) for tile in picture.tile]
    return next((255 // (2 ** int(kind[1]) - 1) for kind in kinds if kind), 1)


def _refuse_deep_colours(picture: ImageFile, path: Path) -> None:
    """Refuse what Pillow cuts to 8 bits: of a code below 256 it keeps nothing."""
    is_cut = any(";16" in str(tile.args) for tile in picture.tile)
    if is_cut and not picture.mode.startswith(("I", "F")):
        raise DatasetError(
            f"mask '{path}': stores colours or alpha with 16 bits; save it as a grey picture whose"
            " values are the codes of the classes"
        )


def _is_white_zero(picture: Image.Image) -> bool:
    if not isinstance(picture, TiffImageFile):
        return False
    meaning: object = picture.tag_v2.get(PHOTOMETRIC_INTERPRETATION)
    return meaning == _WHITE_IS_ZERO


def _check_palette(picture: Image.Image, path: Path) -> None:
    """Refuse a palette of greys that are not their own indices: which of both is the code?"""
    palette = np.array(picture.getpalette() or [], np.int64).reshape(-1, 3)
    used = np.unique(np.asarray(picture.getchannel(0)))
    colours = palette[used[used < len(palette)]]
    is_grey = (colours == colours[:, :1]).all()
    if is_grey and not np.array_equal(colours[:, 0], used):
        raise DatasetError(
            f"mask '{path}': its palette holds greys that differ from their indices, so that its"
            " codes are uncertain; save it as a grey picture whose values are the codes"
        )


def _grey_of(colours: NDArray[Any], path: Path) -> NDArray[Any]:
    first = colours[..., 0]
    if not all(np.array_equal(first, colours[..., channel]) for channel in (1, 2)):
        raise DatasetError(
            f"mask '{path}': is a colour picture; save it as a grey picture whose values are the"
            " codes of the classes"
        )
    return np.ascontiguousarray(first)
