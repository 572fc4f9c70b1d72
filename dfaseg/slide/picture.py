"""Plain pictures (PNG, JPEG, striped TIFF, ...) as slides of one level, held in memory."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from dfaseg.errors import UnsupportedSlideError
from dfaseg.slide.bytesource import FileSource
from dfaseg.slide.fingerprint import fingerprint
from dfaseg.slide.identity import Identity
from dfaseg.slide.levels import StoredLevel, make_levels
from dfaseg.slide.orientation import UPRIGHT, orientation_of, orientation_warnings
from dfaseg.slide.padding import over_white, padded_white
from dfaseg.slide.pillow import PILLOW_ERRORS, tamed_pillow
from dfaseg.slide.resolution import StatedResolution, choose_resolution
from dfaseg.slide.slide import SlideInfo

MAX_PICTURE_PX = 400_000_000
"""1.2 GB in memory; larger pictures must be tiled to be read piece by piece."""
_TILE_PX = 512
_UM_PER_INCH = 25400.0
_OPAQUE_MODES = frozenset({"1", "L", "P", "RGB", "YCbCr", "CMYK"})
_ALPHA_MODES = frozenset({"LA", "PA", "RGBA"})


class PictureSlide:
    """A decoded picture, cut into virtual tiles."""

    def __init__(self, pixels: NDArray[np.uint8], info: SlideInfo) -> None:
        """Take over decoded RGB pixels, shape ``(h, w, 3)``; use ``open_picture``."""
        self._pixels = pixels
        self._info = info

    @property
    def info(self) -> SlideInfo:
        """Facts about the picture."""
        return self._info

    def read_tile(self, level: int, col: int, row: int) -> NDArray[np.uint8] | None:
        """Copy one virtual tile; see ``Slide.read_tile``."""
        place = self._info.levels[level]
        x, y = col * place.tile_width, row * place.tile_height
        part = self._pixels[y : y + place.tile_height, x : x + place.tile_width]
        return padded_white(part, place.tile_width, place.tile_height)

    def close(self) -> None:
        """Give the memory back; later reads fail."""
        self._pixels = self._pixels[:0, :0]


def open_picture(path: Path, identity: Identity, mpp: float | None) -> PictureSlide:
    """Decode a whole picture.

    Raises:
        UnsupportedSlideError: Not a picture, a damaged one, one too large for memory, or one of
            more than 8 bits.
        MissingResolutionError: No believable resolution is stated and ``mpp`` is not given.
    """
    try:
        with tamed_pillow(), Image.open(path) as image:
            _check_picture(image, identity)
            orientation = _checked_orientation(image, identity)
            stated = _stated_resolution(image)
            pixels = _decode(image)
    except UnidentifiedImageError as error:
        raise UnsupportedSlideError(identity.name, "not a picture Pillow knows") from error
    except PILLOW_ERRORS as error:
        raise UnsupportedSlideError(identity.name, f"damaged picture ({error})") from error
    resolution = choose_resolution(identity.name, stated, None, mpp)
    height, width, _ = pixels.shape
    info = SlideInfo(
        slide_id=identity.slide_id,
        location=identity.location,
        reader="picture",
        fingerprint=_fingerprint(path),
        mpp=resolution.mpp,
        mpp_source=resolution.source,
        levels=make_levels([StoredLevel(width, height, _TILE_PX, _TILE_PX)]),
        warnings=(*resolution.warnings, *orientation_warnings(orientation)),
    )
    return PictureSlide(pixels, info)


def _checked_orientation(image: Image.Image, identity: Identity) -> int:
    orientation = orientation_of(image)
    if orientation != UPRIGHT and isinstance(image, TiffImageFile):
        # Pillow turns those, and scrambles some.
        raise UnsupportedSlideError(
            identity.name,
            f"is marked to be shown turned (orientation {orientation}); save it turned and without"
            " the mark",
        )
    return orientation


def _check_picture(image: Image.Image, identity: Identity) -> None:
    if image.width * image.height > MAX_PICTURE_PX:
        raise UnsupportedSlideError(
            identity.name,
            f"{image.width} × {image.height} px are too many for an untiled picture; convert it "
            "to a tiled TIFF, e.g. vips tiffsave IN OUT.tif --tile --pyramid --compression jpeg",
        )
    if image.mode not in _OPAQUE_MODES | _ALPHA_MODES:
        raise UnsupportedSlideError(
            identity.name, f"pixels of kind '{image.mode}'; convert it to 8-bit RGB"
        )


def _decode(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        return over_white(np.asarray(image.convert("RGBA")), is_premultiplied=False)
    return np.asarray(image.convert("RGB"))


def _stated_resolution(image: Image.Image) -> tuple[StatedResolution, ...]:
    density = image.info.get("dpi")
    if not density or not all(float(axis) > 1 for axis in density):
        return ()
    mpp_x, mpp_y = (_UM_PER_INCH / float(axis) for axis in density)
    return (StatedResolution(mpp_x, mpp_y, "dots per inch"),)


def _fingerprint(path: Path) -> str:
    source = FileSource(path)
    try:
        return fingerprint(source)
    finally:
        source.close()
