"""Files that appear whole or not at all."""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dfaseg.errors import OutputError


@contextmanager
def write_aside(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its name when the block succeeds.

    The temporary file is flushed to disk before it is renamed, and removed when the block fails.

    Raises:
        OutputError: The file cannot be written (no space, no permission, no such folder).
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise OutputError(f"output '{path}': cannot be written ({error.strerror})") from error
    aside = Path(name)
    try:
        yield aside
        _flush_to_disk(aside)
        aside.chmod(0o666 & ~_umask())
        aside.replace(path)
    except OSError as error:
        raise OutputError(f"output '{path}': cannot be written ({error.strerror})") from error
    finally:
        aside.unlink(missing_ok=True)


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record as readable JSON, whole or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    with write_aside(path) as aside:
        text = json.dumps(dict(record), indent=2, ensure_ascii=False)
        aside.write_text(text + "\n", encoding="utf-8")


def _flush_to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _umask() -> int:
    """Return the process's umask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
