"""What happened to each slide: ``run.jsonl``, one line per event, shared by all processes."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfaseg.errors import OutputError
from dfaseg.files import explain
from dfaseg.inference.batch.owners import Owner
from dfaseg.limits import peak_memory_bytes

EVENTS_FILE = "run.jsonl"
STARTED, DONE, FAILED, STOPPED = "started", "done", "failed", "stopped"

_LOCK_SECONDS = 10.0
"""A line takes milliseconds: who holds the lock for longer has died."""
_LOOK_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class EventLog:
    """Appends events of this process.

    Attributes:
        path: The file.
        owner: Who writes.
    """

    path: Path
    owner: Owner

    def add(self, event: str, slide_id: str, **facts: Any) -> None:
        """Append one event.

        Args:
            event: ``started``, ``done``, ``failed`` or ``stopped``.
            slide_id: The slide's id.
            facts: What else is known; plain values.

        Raises:
            OutputError: The line cannot be written.
        """
        record = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "event": event,
            "id": slide_id,
            **facts,
            "peak_memory_bytes": peak_memory_bytes(),
            "host": self.owner.host,
            "pid": self.owner.pid,
            "job": self.owner.job,
        }
        append_line(self.path, json.dumps(record, ensure_ascii=False))


def read_events(path: Path) -> list[Mapping[str, Any]]:
    """Return all events in their order; lines that a full disk cut short are left out.

    Raises:
        OutputError: The file is there and cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise OutputError(f"events '{path}': cannot be read ({explain(error)})") from error
    return [record for record in map(_parse, lines) if record]


def append_line(path: Path, line: str) -> None:
    """Append a line that lines of other processes, on other machines too, do not run into.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        with _only_writer(path.with_name(f".{path.name}.lock")):
            # Opened under the lock: that is when a network disk tells the file's size anew.
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                size = os.fstat(handle).st_size
                is_cut = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
                os.write(handle, b"\n" * is_cut + line.encode() + b"\n")
                os.fsync(handle)
            finally:
                os.close(handle)
    except OSError as error:
        raise OutputError(f"events '{path}': cannot be written ({explain(error)})") from error


@contextmanager
def _only_writer(lock: Path) -> Iterator[None]:
    """Hold a lock file while a line is written.

    Appending is atomic on a local disk but not between the machines of a network disk, and locks
    of the system are not to be had on all of those; creating a file that must not exist is.
    """
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            break
        except FileExistsError:
            if time.monotonic() > deadline:
                break  # left by a process that died: ours now
            time.sleep(_LOOK_SECONDS)
    try:
        yield
    finally:
        with suppress(OSError):
            lock.unlink()


def _parse(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    is_event = isinstance(record, dict) and {"event", "id"} <= record.keys()
    return record if is_event else None
