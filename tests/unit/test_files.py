"""Files appear whole or not at all."""

import errno
import fcntl
import json
import os
import resource
from contextlib import suppress
from pathlib import Path

import pytest

from dfaseg import files
from dfaseg.errors import OutputError
from dfaseg.files import (
    MAX_STEM_BYTES,
    explain,
    locked,
    remove_leftovers,
    scratch_file,
    write_aside,
    write_json,
)
from dfaseg.inference.hidden_folder import refuse_foreign_hidden


def test_file_appears_when_the_block_succeeds(tmp_path):
    """The content is there under the final name, and nothing else is."""
    path = tmp_path / "a.txt"

    with write_aside(path) as aside:
        aside.write_text("new", encoding="utf-8")
        assert not path.exists()

    assert path.read_text(encoding="utf-8") == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_record_keeps_a_path_that_is_not_utf8(tmp_path):
    """It is written when all else is done: too late to fail."""
    write_json(tmp_path / "a.json", {"location": os.fsdecode(b"M\xfcller.svs")})

    record = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert os.fsencode(record["location"]) == b"M\xfcller.svs"


def test_failure_leaves_the_old_file(tmp_path):
    """A failing block changes nothing and leaves nothing."""
    path = tmp_path / "a.txt"
    path.write_text("old", encoding="utf-8")

    def write_half():
        with write_aside(path) as aside:
            aside.write_text("half", encoding="utf-8")
            raise KeyError

    with pytest.raises(KeyError):
        write_half()

    assert path.read_text(encoding="utf-8") == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_missing_folder_is_an_output_error(tmp_path):
    """The error names the file that cannot be written."""
    with pytest.raises(OutputError, match=r"a\.txt"), write_aside(tmp_path / "no" / "a.txt"):
        pass


def test_limit_of_file_sizes_is_named(tmp_path):
    """Batch systems set one, and the disk has room all the same."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, limits[1]))
    try:
        with (
            pytest.raises(OutputError, match="ulimit -f"),
            write_aside(tmp_path / "a.txt") as aside,
        ):
            aside.write_bytes(b"x" * 4096)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("refused", [errno.EACCES, errno.EPERM])
def test_refused_access_is_not_told_to_write(refused: int):
    """It may have been reading."""
    assert explain(OSError(refused, "Refused")) == "Refused; ask for access or use another place"


def test_file_gets_the_permissions_of_an_ordinary_file(tmp_path):
    """Others in a group may read results as the umask says, not only the owner."""
    path, ordinary = tmp_path / "a.txt", tmp_path / "b.txt"
    ordinary.touch()

    with write_aside(path) as aside:
        aside.unlink()
        aside.touch(mode=0o600)

    assert path.stat().st_mode == ordinary.stat().st_mode


def test_leftovers_of_killed_runs_are_removed_and_nothing_else(tmp_path):
    """What another run writes at this moment stays, and files of other programs and outputs."""
    path = tmp_path / "a.txt"
    kept = [tmp_path / name for name in (
        ".a.txt.0123abcd.tmp", ".b.txt.dfaseg.0123abcd.tmp", ".a.txt.dfaseg.mine.tmp", "a.txt",
    )]  # fmt: skip
    for file in (*kept, tmp_path / ".a.txt.dfaseg.0123abcd.tmp"):
        file.write_text("half", encoding="utf-8")

    with scratch_file(path) as in_use:
        remove_leftovers(path)

        assert {*tmp_path.iterdir()} == {*kept, in_use}


def killed_before_the_lock(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return what is left of a scratch file whose maker is killed before it has a lock."""

    class Killed(BaseException):
        """Stands for SIGKILL, after which nothing is removed."""

    def kill(*_arguments: object) -> None:
        raise Killed

    there = {*path.parent.iterdir()}
    with monkeypatch.context() as patch, suppress(Killed):
        patch.setattr(fcntl, "flock", kill)
        patch.setattr(files, "_remove", lambda _path: None)
        with scratch_file(path):
            pass
    (left,) = {*path.parent.iterdir()} - there
    return left


def test_leftover_of_a_run_killed_before_its_lock_is_removed_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run may be about to lock a file that has just been made."""
    path = tmp_path / "a.txt"
    left = killed_before_the_lock(path, monkeypatch)

    remove_leftovers(path)
    assert [*tmp_path.iterdir()] == [left]

    os.utime(left, (0, 0))
    remove_leftovers(path)
    assert [*tmp_path.iterdir()] == []


def test_leftover_of_a_run_killed_before_its_lock_is_known_in_a_hidden_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run that goes on removes it; it must not take it for a file of the user's."""
    hidden = tmp_path / ".s.zarr.partial"
    hidden.mkdir()
    killed_before_the_lock(hidden / "state.msgpack", monkeypatch)

    refuse_foreign_hidden(hidden, [tmp_path / "s.zarr"])


def test_scratch_files_of_the_longest_name_find_room(tmp_path: Path) -> None:
    """A name is 255 bytes at most on most disks."""
    path = tmp_path / ("n" * MAX_STEM_BYTES + ".overlay.png")

    with write_aside(path) as aside:
        aside.write_bytes(b"x")

    assert path.read_bytes() == b"x"


def test_leftovers_stay_on_a_disk_without_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There nobody knows whether a file is in use."""
    leftover = tmp_path / ".a.txt.dfaseg.0123abcd.tmp"
    leftover.write_text("half", encoding="utf-8")

    def flock(_handle: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    remove_leftovers(tmp_path / "a.txt")

    assert leftover.exists()


def test_disk_without_locks_can_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some network disks are mounted so; any other refusal counts."""

    def refuse(number: int) -> None:
        def flock(_handle: int, _operation: int) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(fcntl, "flock", flock)

    refuse(errno.ENOLCK)
    with locked(tmp_path / "partial"):
        assert (tmp_path / "partial").is_dir()
    refuse(errno.EIO)
    with pytest.raises(OSError, match="Input/output error"), locked(tmp_path / "partial"):
        pass
