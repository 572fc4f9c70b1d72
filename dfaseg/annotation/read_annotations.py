"""Polygons of a file, in whichever of the known forms it is written."""

import gzip
import logging
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import IO, Any

from dfaseg.annotation.annotated import Annotations
from dfaseg.annotation.read_json import read_json
from dfaseg.annotation.read_xml import read_xml
from dfaseg.errors import AnnotationError
from dfaseg.wording import counted

logger = logging.getLogger(__name__)

ANNOTATION_SUFFIXES = frozenset({".geojson", ".json", ".xml", ".annotations", ".gz"})
"""Endings that such files usually have, for those who look for them in folders."""
_GZIP = b"\x1f\x8b"
_JPEG = b"\xff\xd8\xff"
_BYTE_ORDER_MARKS = b"\xef\xbb\xbf\xff\xfe"
_PEEKED_BYTES = 512


def read_annotations(path: Path) -> Annotations:
    """Read the polygons of a file, in level-0 px.

    What the file is, is told by its content: GeoJSON (of QuPath, of dfaseg itself), JSON of the
    Digital Slide Archive, XML of ASAP, Aperio ImageScope or Halo, each also packed with gzip. What
    was repaired or left out is logged. A file of which nothing has an area has no polygons; whether
    that is an error is for those who ask to say.

    Raises:
        AnnotationError: The file cannot be read, is empty, or is nothing of these.
    """
    try:
        with opened_annotations(path) as file:
            found = _read(file)
    except UnicodeDecodeError as error:
        raise AnnotationError(
            f"annotations '{path}': its text is not in UTF-8; save it as UTF-8 or export it again"
        ) from error
    except ValueError as error:
        raise AnnotationError(f"annotations '{path}': {error}") from error
    if found.num_repaired:
        logger.warning("annotations '%s': %s repaired", path, counted(found.num_repaired, "shape"))
    for kind, count in found.skipped.items():
        logger.warning("annotations '%s': %d × %s left out", path, count, kind)
    return found


@contextmanager
def opened_annotations(path: Path) -> Iterator["BufferedReader[Any]"]:
    """Open a file, unpacked if it is packed.

    Raises:
        AnnotationError: It cannot be read, here or in the block.
    """
    try:
        with path.open("rb") as plain:
            is_packed = plain.read(len(_GZIP)) == _GZIP
            plain.seek(0)
            if is_packed:
                with gzip.open(plain) as packed, BufferedReader(packed) as file:
                    yield file
            else:
                yield plain
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise AnnotationError(
            f"annotations '{path}': cannot be read ({error}); copy or export it again"
        ) from error
    except OSError as error:
        reason = error.strerror or error
        raise AnnotationError(f"annotations '{path}': cannot be read ({reason})") from error


def _read(file: IO[bytes]) -> Annotations:
    start = file.read(_PEEKED_BYTES)
    file.seek(0)
    if start.startswith(_JPEG):
        raise ValueError(
            "a JPEG, which is no format for masks because it changes codes; give a PNG or TIFF"
        )
    start = start.lstrip(_BYTE_ORDER_MARKS).strip(b"\0 \t\r\n")
    if not start:
        raise ValueError("the file is empty; export it again")
    if start.startswith(b"<"):
        return read_xml(file)
    if start.startswith((b"{", b"[")):
        return read_json(file)
    raise ValueError(
        "neither JSON nor XML; give GeoJSON, JSON of the Digital Slide Archive, or XML of ASAP,"
        " ImageScope or Halo"
    )
