"""The state of an interrupted run as one file, which can be put where the next run will find it.

A run whose results are made on a scratch disk keeps its state there, and the disk may be gone when
it is to go on. So now and then all of its folder is packed into one file: one that is written in
one go, appears whole or not at all, and is the same on a disk and in an object store.
"""

import tarfile
from pathlib import Path

from dfaseg.errors import OutputError
from dfaseg.files import LOCK_FILE, explain, remove_entry

PARKED_FILE = "parked.tar"
"""Name in the hidden folder."""
_STAYS = frozenset({LOCK_FILE, PARKED_FILE})
"""Files of the hidden folder that belong to no state."""


def pack(folder: Path, target: Path) -> None:
    """Pack all files of a folder into one.

    Args:
        folder: Where a run makes its results; nothing may write there meanwhile.
        target: File to write.

    Raises:
        OSError: A file cannot be read or written.
    """
    # What is in a folder of results is compressed already.
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        for entry in sorted(folder.iterdir()):
            if entry.name not in _STAYS and not entry.name.endswith(".tmp"):
                archive.add(entry, arcname=entry.name)


def unpack(source: Path, folder: Path) -> bool:
    """Put a packed state back in place of what a folder holds; tell whether it could be read.

    Args:
        source: What ``pack`` wrote.
        folder: Where a run makes its results.

    Raises:
        OutputError: The folder cannot be written.
    """
    clear(folder)
    try:
        with tarfile.open(source, "r") as archive:
            # Pythons before 3.11.4 know no filters, and need none for what we packed ourselves.
            archive.extraction_filter = getattr(tarfile, "data_filter", None)
            archive.extractall(folder)
    except tarfile.TarError:
        clear(folder)
        return False
    except OSError as error:
        raise OutputError(
            f"output '{folder}': what an earlier run saved cannot be unpacked ({explain(error)})"
        ) from error
    return True


def clear(folder: Path) -> None:
    """Remove the state that a folder holds.

    Raises:
        OutputError: It cannot be removed.
    """
    try:
        for entry in folder.iterdir():
            if entry.name not in _STAYS:
                remove_entry(entry)
    except OSError as error:
        raise OutputError(
            f"output '{folder}': what an earlier run left cannot be removed ({explain(error)})"
        ) from error
