"""Which files are exports of dfaseg, by what each says of itself.

GeoJSON and annotations of the Digital Slide Archive begin as ours do, OME-TIFF and PNG name the
software. Programs that save such a file anew put their own name or none.
"""

import struct
from contextlib import suppress
from pathlib import Path

from tifffile import TiffFile, TiffFileError

from dfaseg.annotation.dsa import is_own_dsa
from dfaseg.annotation.geojson import is_own_geojson
from dfaseg.exporting.png import is_own_png

_HEAD_BYTES = 4096
_TIFF_MAGIC = (b"II", b"MM")
_TIFF_SOFTWARE = "dfaseg "
_TIFF_ERRORS = (TiffFileError, ValueError, IndexError, KeyError, TypeError, RuntimeError)
"""Raised by tifffile for what is no TIFF, or a damaged one."""


def is_export(path: Path) -> bool:
    """Tell whether ``dfaseg export`` wrote a file, or ``predict`` the same one."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return False
    if any(is_own(head) for is_own in (is_own_geojson, is_own_dsa, is_own_png)):
        return True
    return head.startswith(_TIFF_MAGIC) and _is_own_tiff(path)


def _is_own_tiff(path: Path) -> bool:
    with suppress(OSError, struct.error, *_TIFF_ERRORS), TiffFile(path) as tiff:
        return str(tiff.pages.first.software).startswith(_TIFF_SOFTWARE)
    return False
