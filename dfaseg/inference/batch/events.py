"""What happened to each slide: ``run.jsonl``, one line per event, shared by all processes.

On a disk it is one file. An object cannot be added to, so in a store each process has one of its
own, ``run.jsonl/HOST-PID-TOKEN.jsonl``, and writes it anew with each event.
"""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from dfaseg.errors import OutputError, OutputExistsError
from dfaseg.files import explain, json_text
from dfaseg.inference.batch.owners import Owner
from dfaseg.limits import peak_memory_bytes
from dfaseg.storage.store_path import Place, StorePath

EVENTS_FILE = "run.jsonl"
STARTED, DONE, FAILED, STOPPED = "started", "done", "failed", "stopped"

_FIRST_BYTES = b'{"time": '
"""Of every line."""
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%S%z"
_LOCK_SECONDS = 10.0
"""A line takes milliseconds: who holds the lock for longer has died."""
_LOOK_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class EventLog:
    """Appends events of this process.

    Attributes:
        path: The file, or what the names of objects begin with.
        owner: Who writes.
    """

    path: Place
    owner: Owner
    _lines: list[str] = field(default_factory=list)

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
            "time": time.strftime(_TIME_FORMAT),
            "event": event,
            "id": slide_id,
            "peak_memory_bytes": peak_memory_bytes(),
            **facts,
            "host": self.owner.host,
            "pid": self.owner.pid,
            "job": self.owner.job,
        }
        line = json_text(record)
        if isinstance(self.path, Path):
            append_line(self.path, line)
            return
        # Late, because the network libraries take as long to load as all else together.
        from dfaseg.storage.objects import write_object  # noqa: PLC0415

        self._lines.append(line)
        name = f"{self.owner.host}-{self.owner.pid}-{self.owner.token}.jsonl"
        write_object(self.path / name, "".join(f"{line}\n" for line in self._lines).encode())


def read_events(path: Place) -> list[Mapping[str, Any]]:
    """Return all events in their order; lines that a full disk cut short are left out.

    Raises:
        OutputError: The file is there and cannot be read.
    """
    if isinstance(path, StorePath):
        return _read_objects(path)
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise OutputError(f"events '{path}': cannot be read ({explain(error)})") from error
    return _parse_all(text)


def refuse_foreign_events(path: Place) -> None:
    """Make sure that no file of somebody else is added to.

    Raises:
        OutputExistsError: A file of that name holds no event.
        OutputError: It cannot be read.
    """
    if isinstance(path, StorePath) or read_events(path) or not path.exists():
        return
    with path.open("rb") as file:
        head = file.read(len(_FIRST_BYTES))
    # A full disk may have cut our first line short.
    if not _FIRST_BYTES.startswith(head):
        raise OutputExistsError(
            f"events '{path}': was not written by dfaseg predict and is not added to; move it away"
            " or choose another --out"
        )


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


def _read_objects(path: StorePath) -> list[Mapping[str, Any]]:
    """Join the events of all processes; their clocks are taken to agree to a second or so."""
    from dfaseg.storage.objects import list_below, read_object  # noqa: PLC0415 - see above

    contents = [read_object(place) or b"" for place in list_below(path)]
    events = [event for content in contents for event in _parse_all(content.decode())]
    return sorted(events, key=lambda event: _seconds(str(event.get("time"))))


def _seconds(time_text: str) -> float:
    try:
        return datetime.strptime(time_text, _TIME_FORMAT).timestamp()
    except ValueError:
        return 0.0


def _parse_all(text: str) -> list[Mapping[str, Any]]:
    return [record for record in map(_parse, text.splitlines()) if record]


def _parse(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    is_event = isinstance(record, dict) and {"event", "id"} <= record.keys()
    return record if is_event else None
