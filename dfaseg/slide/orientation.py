"""Marks that ask viewers to turn a picture (tag 274 of TIFF, EXIF in JPEG and PNG).

Slides are read as they are stored, whatever the mark says: so do OpenSlide, QuPath and napari, and
coordinates must agree with theirs.
"""

import struct
from contextlib import suppress

from PIL import ExifTags, Image

from dfaseg.slide.pillow import PILLOW_ERRORS

UPRIGHT = 1
"""Shown as stored."""
_ORIENTATIONS = range(1, 9)


def known_orientation(stated: object) -> int:
    """Return a stated orientation, 1 to 8; what is none of them asks for nothing."""
    return next((number for number in _ORIENTATIONS if number == stated), UPRIGHT)


def orientation_of(picture: Image.Image) -> int:
    """Return the orientation of a picture; PNG may be decoded by it, TIFF must not be before."""
    # Damaged metadata ask for nothing, and damaged pixels are told where they are decoded.
    with suppress(*PILLOW_ERRORS, struct.error, KeyError, TypeError):
        return known_orientation(picture.getexif().get(ExifTags.Base.Orientation))
    return UPRIGHT


def pair_problem(orientation: int) -> str:
    """Return what is wrong with an image or a mask that is marked to be turned."""
    return (
        f"is marked to be shown turned (orientation {orientation}), which programs heed or not, so"
        " that image and mask may not lie on each other; save it turned and without the mark"
    )


def orientation_warnings(orientation: int) -> tuple[str, ...]:
    """Return what a person should know of a slide that is marked to be turned."""
    if orientation == UPRIGHT:
        return ()
    return (
        f"is marked to be shown turned (orientation {orientation}); it is read as it is stored, as"
        " OpenSlide and QuPath do",
    )
