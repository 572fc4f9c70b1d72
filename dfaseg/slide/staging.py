"""Slides copied whole to a local disk before they are read.

Reading a slide piece by piece costs a network disk many small reads, which it is slow at, and other
jobs their share of it; one copy from front to end does not. A slide of several files is copied with
all of them, so that readers find what they look for beside it.
"""

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from dfaseg.errors import OutputError, SlideError, StoppedError
from dfaseg.files import explain
from dfaseg.slide.bytesource import ByteSource, FileSource
from dfaseg.slide.identity import SAMPLE, Identity
from dfaseg.storage.scratch import Scratch

log = logging.getLogger(__name__)

IsWanted = Callable[[], bool]
"""Asked between two pieces of a copy; False ends it."""

_PIECE_BYTES = 16 * 2**20
"""Read at a time: long enough for a network disk to be at its best, short enough to be stopped."""
_FOLDER_BESIDE = frozenset({".mrxs"})
"""Formats that keep their pixels in a folder of the slide's name."""
_SCATTERED = frozenset({".vms", ".vmu", ".vsi"})
"""Formats whose further files only their readers can name."""
_DICOM_MARK, _DICOM_MARK_AT = b"DICM", 128
_DICOM_HEADER_BYTES = 2**16
_SERIES_UID = re.compile(rb"\x20\x00\x0e\x00UI..([0-9.]+)", re.DOTALL)
"""Tag (0020,000E) with an explicit value representation, as slides have it."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One file of a slide.

    Attributes:
        name: Path of the copy, as seen from the folder of copies.
        size: In bytes.
        open: Opens it for reading.
    """

    name: PurePosixPath
    size: int
    open: Callable[[], ByteSource]


def stage_slide(identity: Identity, scratch: Scratch, is_wanted: IsWanted) -> Path | None:
    """Copy a slide to a scratch disk, unless it lies there already.

    Args:
        identity: Which slide.
        scratch: Where copies go; the copy lies in a folder of its own.
        is_wanted: Asked between two pieces.

    Returns:
        The copy to open; None where the slide is to be read where it is.

    Raises:
        SlideError: The slide cannot be found or read.
        OutputError: There is no room for the copy, or it cannot be written.
        StoppedError: It is not wanted any more.
    """
    if identity.location == SAMPLE:
        return None
    try:
        if not identity.is_remote and scratch.is_home_of(identity.path):
            return None
        parts = _parts_of(identity)
    except FileNotFoundError as error:
        raise SlideError(
            identity.name, f"no such file '{identity.location}'; check the path"
        ) from error
    except OSError as error:
        raise SlideError(identity.name, f"cannot be read ({error.strerror or error})") from error
    if not parts:
        log.info(
            "slide '%s': is made of several files that cannot be told from others beside them; "
            "read where it is, not copied to scratch",
            identity.name,
        )
        return None
    scratch.check_room(sum(part.size for part in parts), f"slide '{identity.name}'")
    folder = scratch.new_folder(f"{identity.slide_id}.slide")
    for part in parts:
        _copy(part, folder / part.name, identity, is_wanted)
    return folder / identity.name


def _parts_of(identity: Identity) -> Sequence[_Part]:
    """Return the files of a slide, the one that names it first; none where they are not known.

    Raises:
        OSError: The slide cannot be read.
    """
    if identity.is_remote:
        # Late, because the network libraries take as long to load as all else together.
        from dfaseg.slide.remote import RemoteSource  # noqa: PLC0415

        size = RemoteSource(identity).size
        return [_Part(PurePosixPath(identity.name), size, partial(RemoteSource, identity))]
    path = identity.path
    if path.is_dir():
        raise SlideError(identity.name, "is a folder; pass the slide file inside it")
    suffix = path.suffix.lower()
    if suffix in _SCATTERED:
        return []
    files = [path]
    if suffix in _FOLDER_BESIDE:
        files += [file for file in path.with_suffix("").rglob("*") if file.is_file()]
    elif _is_dicom(path):
        files = _series_of(path)
    return [
        _Part(
            PurePosixPath(file.relative_to(path.parent).as_posix()),
            file.stat().st_size,
            partial(FileSource, file),
        )
        for file in files
    ]


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(_DICOM_HEADER_BYTES)[_DICOM_MARK_AT:].startswith(_DICOM_MARK)


def _series_of(path: Path) -> list[Path]:
    """Return the files of a folder that may be of one DICOM series; none where that is not stated.

    Headers may name other series too; a file too many does no harm.
    """
    wanted = _series_named_in(path)
    others = (file for file in sorted(path.parent.iterdir()) if file != path and file.is_file())
    return [path, *(file for file in others if wanted & _series_named_in(file))] if wanted else []


def _series_named_in(path: Path) -> frozenset[bytes]:
    with path.open("rb") as file:
        header = file.read(_DICOM_HEADER_BYTES)
    is_dicom = header[_DICOM_MARK_AT:].startswith(_DICOM_MARK)
    return frozenset(_SERIES_UID.findall(header)) if is_dicom else frozenset()


def _copy(part: _Part, target: Path, identity: Identity, is_wanted: IsWanted) -> None:
    with closing(part.open()) as source:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                for piece in _pieces(source, part, identity, is_wanted):
                    file.write(piece)
        except OSError as error:
            raise OutputError(
                f"copy '{target}' of slide '{identity.name}': cannot be written ({explain(error)})"
            ) from error


def _pieces(
    source: ByteSource, part: _Part, identity: Identity, is_wanted: IsWanted
) -> Iterator[bytes]:
    """Yield a file from front to end."""
    for offset in range(0, part.size, _PIECE_BYTES):
        if not is_wanted():
            raise StoppedError(
                f"slide '{identity.name}': stopped while it was copied to scratch; run the same "
                "command again to go on"
            )
        size = min(_PIECE_BYTES, part.size - offset)
        try:
            piece = source.pread(offset, size)
        except OSError as error:
            raise SlideError(
                identity.name, f"'{part.name}' cannot be read ({error.strerror or error})"
            ) from error
        if len(piece) != size:
            raise SlideError(identity.name, f"'{part.name}' became shorter while it was copied")
        yield piece
