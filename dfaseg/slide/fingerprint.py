"""A slide's identity, taken from its content and not from its name or date."""

import hashlib
from pathlib import Path

from dfaseg.slide.bytesource import ByteSource

_PROBE_BYTES = 65536
"""Read at either end: headers and directories live there, so that a rewritten slide shows."""
_DIGITS = 16


def fingerprint(source: ByteSource, companions: tuple[str, ...] = ()) -> str:
    """Return a short hash of a file's size and both of its ends.

    Args:
        source: The file.
        companions: Further facts that identify the slide, e.g. names and sizes of the other files
            it consists of; must not hold paths or dates.

    Raises:
        OSError: The file cannot be read.
    """
    digest = hashlib.sha256(str(source.size).encode())
    digest.update(source.pread(0, min(_PROBE_BYTES, source.size)))
    tail = max(0, source.size - _PROBE_BYTES)
    digest.update(source.pread(tail, source.size - tail))
    for companion in companions:
        digest.update(b"\0" + companion.encode())
    return digest.hexdigest()[:_DIGITS]


def folder_listing(folder: Path) -> tuple[str, ...]:
    """Return name and size of each file in a companion folder; empty where there is none."""
    if not folder.is_dir():
        return ()
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return tuple(f"{path.name}:{path.stat().st_size}" for path in files)
