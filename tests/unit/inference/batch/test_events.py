"""The file of events that several processes share."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dfaseg.errors import OutputExistsError
from dfaseg.inference.batch import events
from dfaseg.inference.batch.events import (
    EventLog,
    append_line,
    read_events,
    refuse_foreign_events,
)
from dfaseg.inference.batch.owners import Owner

WRITER = """
import sys
from pathlib import Path
from dfaseg.inference.batch.events import append_line
for number in range(40):
    append_line(Path(sys.argv[1]), f'{{"event": "done", "id": "{sys.argv[2]}-{number}"}}')
"""


def test_event_says_who_when_and_what(tmp_path: Path) -> None:
    """One JSON record a line, names as they are."""
    owner = Owner.of_this_process()
    EventLog(tmp_path / "run.jsonl", owner).add("done", "Schnitt ü", tiles=3)

    (event,) = read_events(tmp_path / "run.jsonl")

    assert (event["event"], event["id"], event["tiles"]) == ("done", "Schnitt ü", 3)
    assert (event["pid"], event["host"]) == (owner.pid, owner.host)
    assert event["peak_memory_bytes"] > 0


def test_path_that_is_not_utf8_is_kept(tmp_path: Path) -> None:
    """Files that come from other systems may be called anything."""
    path = os.fsdecode(b"/slides/M\xfcller.svs")
    EventLog(tmp_path / "run.jsonl", Owner.of_this_process()).add("started", "M", path=path)

    (event,) = read_events(tmp_path / "run.jsonl")

    assert os.fsencode(event["path"]) == b"/slides/M\xfcller.svs"


def test_line_cut_short_spoils_no_other(tmp_path: Path) -> None:
    """A killed writer or a full disk may leave half a line."""
    path = tmp_path / "run.jsonl"
    append_line(path, '{"event": "started", "id": "a"}')
    with path.open("a") as file:
        file.write('{"event": "do')
    append_line(path, '{"event": "done", "id": "b"}')
    append_line(path, '["not an event"]')

    assert [event["id"] for event in read_events(path)] == ["a", "b"]


def test_file_of_somebody_else_is_not_added_to(tmp_path: Path) -> None:
    """Ours is one that holds an event, nothing, or the beginning of a first line."""
    path = tmp_path / "run.jsonl"
    refuse_foreign_events(path)
    for ours in ("", '{"ti', '{"time": "2026', '{"event": "done", "id": "b"}\nwhatever\n'):
        path.write_text(ours)
        refuse_foreign_events(path)
    for foreign in ("my notes\n", '{"step": 1}\n'):
        path.write_text(foreign)
        with pytest.raises(OutputExistsError, match=r"run\.jsonl': was not written by dfaseg"):
            refuse_foreign_events(path)


def test_missing_file_holds_no_events(tmp_path: Path) -> None:
    """Before the first slide."""
    assert read_events(tmp_path / "run.jsonl") == []


def test_lock_of_a_dead_process_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It delays a line but never stops a run."""
    path = tmp_path / "run.jsonl"
    (tmp_path / ".run.jsonl.lock").touch()
    monkeypatch.setattr(events, "_LOCK_SECONDS", 0.05)

    append_line(path, '{"event": "done", "id": "a"}')

    assert len(read_events(path)) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["run.jsonl"]


def test_lines_of_two_processes_stay_apart(tmp_path: Path) -> None:
    """None is lost or mixed with another."""
    path = tmp_path / "run.jsonl"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, path, name]) for name in "ab"]

    assert [writer.wait() for writer in writers] == [0, 0]
    ids = [json.loads(line)["id"] for line in path.read_text().splitlines()]
    assert sorted(ids) == sorted(f"{name}-{number}" for name in "ab" for number in range(40))
