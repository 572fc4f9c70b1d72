"""What belongs to a mask's folder, and what lies in a Zarr folder: told from names alone."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from dfaseg.stitcher.ome import TISSUE
from dfaseg.stitcher.zarr_nodes import METADATA

ROOT_METADATA = METADATA
"""Without it, nobody takes a folder for a mask."""
ZARR_METADATA = (ROOT_METADATA, ".zgroup", ".zarray")
"""One of these makes a folder a Zarr group or array, of version 3 or 2."""

_LEVEL = r"\d+(/zarr\.json|/c(/\d+)*)?"
_WRITTEN = re.compile(
    rf"zarr\.json|{_LEVEL}|labels(/zarr\.json|/{TISSUE}(/zarr\.json|/{_LEVEL})?)?"
)
"""Files and folders that ``MaskWriter`` makes, as seen from the mask's folder."""
_TRIFLES = frozenset({".DS_Store", "Thumbs.db"})
"""Left in any folder by programs that show it."""


def names_below(folder: Path) -> Iterator[str]:
    """Yield the names of all files and folders below a folder, as seen from there.

    Raises:
        OSError: A folder cannot be read.
    """
    pending = [folder]
    while pending:
        for entry in sorted(pending.pop().iterdir()):
            yield entry.relative_to(folder).as_posix()
            if entry.is_dir() and not entry.is_symlink():
                pending.append(entry)


def foreign_name(names: Iterable[str]) -> str | None:
    """Return the first name below a mask that dfaseg did not make; None where there is none."""
    return next((name for name in names if not _is_written(name)), None)


def enclosing_zarr(place: Path) -> Path | None:
    """Return the nearest Zarr folder that a path would lie in; None where there is none."""
    parent = place.absolute().parent.resolve()
    return next((folder for folder in (parent, *parent.parents) if _is_zarr(folder)), None)


def _is_written(name: str) -> bool:
    return bool(_WRITTEN.fullmatch(name)) or name.rpartition("/")[2] in _TRIFLES


def _is_zarr(folder: Path) -> bool:
    with suppress(OSError):  # what may not be read is nothing that we could damage
        return any((folder / name).is_file() for name in ZARR_METADATA)
    return False
