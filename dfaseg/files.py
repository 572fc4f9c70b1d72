"""Files that appear whole or not at all."""

import errno
import fcntl
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dfaseg.errors import OutputError

LOCK_FILE = "lock"
"""Name in a hidden folder."""

MAX_STEM_BYTES = 220
"""Longest name of a slide or mask: disks allow 255, of which we put up to 35 around it."""

_SCRATCH_MARK = ".dfaseg."
"""Tells our scratch files from those of other programs, which are named much alike."""
_UNLOCKED_MARK = "u."
"""Stands in the name of a scratch file that has no lock yet; short, as names may have no room."""
_UNLOCKED_SECONDS = 60.0
"""After which a file that has no lock yet was left by a killed run; it takes far less than one."""
_NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK})
"""Said by network disks that were mounted without locks."""
_REMEDIES = {
    errno.ENOSPC: "free some space or write to another disk",
    errno.EFBIG: "raise the limit of file sizes (ulimit -f) or write to another disk",
    errno.EDQUOT: "free some of your quota or write to another disk",
    errno.EACCES: "ask for access or use another place",
    errno.EPERM: "ask for access or use another place",
    errno.EROFS: "write where you are allowed to",
    errno.EEXIST: "move that file away or choose another name",
    errno.ENOTDIR: "choose a place that is not below a file",
}


def explain(error: OSError) -> str:
    """Return what the system refused and, where that is known, what to do about it."""
    problem = error.strerror or str(error)
    remedy = _REMEDIES.get(error.errno or 0)
    return f"{problem}; {remedy}" if remedy else problem


def check_folder(folder: Path) -> None:
    """Make sure that there is a folder, before any work is done.

    Raises:
        OutputError: There is none, or it is a file.
    """
    if not folder.is_dir():
        is_file = os.path.lexists(folder)
        problem = "is no folder; choose another" if is_file else "does not exist; create it first"
        raise OutputError(f"output folder '{folder}': {problem}")


def refuse_long_stem(stem: str) -> None:
    """Make sure that files can be named after a slide or mask, before any work is done.

    Raises:
        OutputError: The name has too many bytes.
    """
    num_bytes = len(os.fsencode(stem))
    if num_bytes > MAX_STEM_BYTES:
        raise OutputError(
            f"output '{stem}': is too long a name to put endings to it ({num_bytes} bytes, at most"
            f" {MAX_STEM_BYTES}); choose a shorter one, of a slide by the column id of a .csv list"
        )


@contextmanager
def write_aside(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its name when the block succeeds.

    The temporary file is flushed to disk before it is renamed, and removed when the block fails.

    Raises:
        OutputError: The file cannot be written (no space, no permission, no such folder).
    """
    try:
        with scratch_file(path) as aside:
            mode = aside.stat().st_mode
            yield aside
            _flush_to_disk(aside)
            aside.chmod(mode)  # some writers put a private file of their own in its place
            aside.replace(path)
    except OSError as error:
        raise OutputError(f"output '{path}': cannot be written ({explain(error)})") from error


@contextmanager
def scratch_file(beside: Path) -> Iterator[Path]:
    """Yield an empty hidden file beside another one; it is locked, and removed at the end.

    Raises:
        OutputError: It cannot be made.
    """
    # Made here and not by tempfile, whose files only their owner may read: with an ordinary file
    # the system applies the umask, which a process with threads cannot ask for safely.
    beginning, ending = f".{beside.name}{_SCRATCH_MARK}", f"{secrets.token_hex(4)}.tmp"
    path = beside.with_name(beginning + ending)
    try:
        handle = _create_locked(path, beside.with_name(beginning + _UNLOCKED_MARK + ending))
    except OSError as error:
        raise OutputError(f"output '{beside}': cannot be written ({explain(error)})") from error
    try:
        yield path
    finally:
        _remove(path)
        os.close(handle)


def remove_leftovers(beside: Path) -> None:
    """Remove the scratch files of a file that killed runs left; those in use stay."""
    beginning, mark = re.escape(f".{beside.name}{_SCRATCH_MARK}"), re.escape(_UNLOCKED_MARK)
    of_file = re.compile(rf"{beginning}(?P<unlocked>{mark})?[0-9a-f]{{8}}\.tmp")
    with suppress(OSError):
        for entry in beside.absolute().parent.iterdir():
            name = of_file.fullmatch(entry.name)
            if name and (not name["unlocked"] or _is_old(entry)) and _is_free(entry):
                _remove(entry)


def remove_file(path: Path) -> None:
    """Remove a file, if it is there.

    Raises:
        OutputError: It cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"output '{path}': cannot be removed ({explain(error)})") from error


def remove_entry(path: Path) -> None:
    """Remove a file, a folder with all it holds, or a link, but not what the link leads to.

    Raises:
        OSError: It cannot be removed.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def copy_whole(source: Path, target: Path) -> None:
    """Copy a file, or a folder with all it holds, and flush every byte to disk.

    Raises:
        OSError: Something cannot be read or written.
    """
    if source.is_dir():
        shutil.copytree(source, target, copy_function=_copy_flushed)
    else:
        _copy_flushed(str(source), str(target))


def flush_folder(folder: Path) -> None:
    """Flush the names of a folder's files to disk, where the system can do that."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record as readable JSON, whole or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    with write_aside(path) as aside:
        aside.write_text(json_text(record, indent=2) + "\n", encoding="utf-8")


def json_text(record: Mapping[str, Any], indent: int | None = None) -> str:
    """Return a record as JSON; a path that is not UTF-8 keeps its bytes, as escapes."""
    text = json.dumps(dict(record), indent=indent, ensure_ascii=False)
    return text.encode(errors="backslashreplace").decode()


@contextmanager
def locked(partial: Path, lock_name: str = LOCK_FILE) -> Iterator[None]:
    """Hold a folder for one run; it is created when missing.

    Args:
        partial: The folder, a hidden one for most results.
        lock_name: File in it that is locked; it stays.

    Raises:
        OutputError: Another run is writing the same result, or the folder cannot be made.
    """
    try:
        partial.mkdir(exist_ok=True)
        handle = os.open(partial / lock_name, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise OutputError(
            f"output folder '{partial.parent}': nothing can be written there ({explain(error)}); "
            "choose another --out"
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(
                f"output '{partial.name}': another run is writing it; wait for that run"
            ) from error
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        yield
    finally:
        os.close(handle)


def is_locked(partial: Path, lock_name: str = LOCK_FILE) -> bool:
    """Tell whether a run holds a folder now; see ``locked``. Nothing is written."""
    try:
        handle = os.open(partial / lock_name, os.O_RDONLY)
    except OSError:
        return False
    try:
        # Shared, so that those who only ask do not take each other for a run.
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return isinstance(error, BlockingIOError)
    finally:
        os.close(handle)
    return False


def _create_locked(path: Path, unlocked: Path) -> int:
    """Make a file that is locked as soon as it has its name, and return its handle.

    Args:
        path: The file.
        unlocked: What it is called until it is locked; left as it is where a run is killed then.
    """
    handle = os.open(unlocked, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with suppress(OSError):  # of a disk without locks, nobody removes what a kill left
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unlocked.rename(path)
    except BaseException:
        _remove(unlocked)
        os.close(handle)
        raise
    return handle


def _is_old(path: Path) -> bool:
    """Tell whether nothing was written to a file for so long that its maker must be gone."""
    return time.time() - path.stat().st_mtime > _UNLOCKED_SECONDS


def _is_free(path: Path) -> bool:
    """Tell whether no process holds a file's lock; of a disk without locks that is not known."""
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(handle)


def _copy_flushed(source: str, target: str) -> str:
    shutil.copyfile(source, target)
    _flush_to_disk(Path(target))
    return target


def _flush_to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _remove(path: Path) -> None:
    """Remove what may be left; where even that is not possible, another error is on its way."""
    with suppress(OSError):
        path.unlink(missing_ok=True)
