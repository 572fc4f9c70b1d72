"""Objects in a store, whole or not at all: read, written, made only by one, listed, removed.

Each call is tried again where its failure may pass, and fails in one line that names the object.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import fsspec

from dfaseg.errors import OutputError
from dfaseg.storage.network_errors import is_taken, persistently
from dfaseg.storage.store_path import StorePath

Result = TypeVar("Result")

_S3_OPTIONS = MappingProxyType(
    {
        # What this process remembers of a listing is not what others have written since.
        "use_listings_cache": False,
        # Attempts are ours to count: several layers of them would multiply.
        "config_kwargs": {"retries": {"total_max_attempts": 1}, "read_timeout": 30},
    }
)
_OPTIONS = MappingProxyType({"s3": _S3_OPTIONS, "s3a": _S3_OPTIONS})


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """What a store says of an object.

    Attributes:
        size: In bytes.
        version: Differs whenever the object was written anew.
        changed: When that was, in seconds since 1970 by the store's clock; 0 where it does not say.
    """

    size: int
    version: str
    changed: float


def file_system(url: str) -> tuple[Any, str]:
    """Return fsspec's file system for a URL, and the path on it.

    Raises:
        OSError: There is none, for example because a package is missing.
    """
    options: Mapping[str, Any] = _OPTIONS.get(url.partition("://")[0], {})
    files, path = persistently(lambda: fsspec.core.url_to_fs(url, **options))
    if options is _S3_OPTIONS:
        files.retries = 1
        files.session = _s3_session()
    return files, str(path)


@cache
def _s3_session() -> Any:
    """Return a session that does not ask whether an object may be sent before it is sent.

    For the answer to that there is no limit of time: a server that gives none would be waited for
    for ever, and no signal could end it.
    """
    from aiobotocore.session import get_session  # noqa: PLC0415 - there where s3fs is

    def send_at_once(params: Mapping[str, Any], **_facts: Any) -> None:
        params["headers"].pop("Expect", None)

    session = get_session()
    session.register("before-call.s3", send_at_once)
    return session


def object_facts(place: StorePath) -> ObjectFacts | None:
    """Look an object up; None where there is none.

    Raises:
        OutputError: The store does not answer.
    """
    with _told(place, "read"):
        try:
            facts = _call(place, lambda files, path: _fresh(files).info(path))
        except FileNotFoundError:
            return None
    if facts.get("type") == "directory":
        return None
    changed = facts.get("LastModified") or facts.get("created") or facts.get("last_modified")
    seconds = changed.timestamp() if isinstance(changed, datetime) else 0.0
    return ObjectFacts(int(facts["size"] or 0), f"{facts.get('ETag')} {changed}", seconds)


def read_object(place: StorePath) -> bytes | None:
    """Return the content of an object; None where there is none.

    Raises:
        OutputError: The store does not answer.
    """
    with _told(place, "read"):
        try:
            return bytes(_call(place, lambda files, path: files.cat_file(path)))
        except FileNotFoundError:
            return None


def read_head(place: StorePath, limit: int) -> bytes | None:
    """Return the first bytes of an object, at most ``limit``; None where there is none.

    Raises:
        OutputError: The store does not answer.
    """
    facts = object_facts(place)
    if facts is None or not facts.size:  # a range of nothing is no range
        return None if facts is None else b""
    with _told(place, "read"):
        try:
            end = min(limit, facts.size)
            return bytes(_call(place, lambda files, path: files.cat_file(path, end=end)))
        except FileNotFoundError:
            return None


def write_object(place: StorePath, content: bytes) -> None:
    """Write an object, in place of one that is there.

    Raises:
        OutputError: It cannot be written.
    """
    with _told(place, "written"):
        _call(place, lambda files, path: files.pipe_file(path, content))


def create_object(place: StorePath, content: bytes) -> bool:
    """Make an object unless it exists, which only one of several processes can.

    Args:
        place: Which.
        content: Differs from what others would write, unless it does not matter who wins.

    Returns:
        Whether the object holds this content; False where another process was first.

    Raises:
        OutputError: It cannot be written.
    """
    with _told(place, "written"):
        try:
            _call(place, lambda files, path: files.pipe_file(path, content, mode="create"))
        except OSError as error:
            if not is_taken(error):
                raise
            # An answer may be lost: what fails the second time was done the first.
            return read_object(place) == content
    return True


def upload(source: Path, place: StorePath) -> None:
    """Write a local file to an object; the object appears when all of it has arrived.

    Raises:
        OutputError: It cannot be written.
    """
    with _told(place, "written"):
        _call(place, lambda files, path: files.put_file(str(source), path))


def download(place: StorePath, target: Path) -> bool:
    """Write an object to a local file; False where there is no object.

    Raises:
        OutputError: It cannot be read, or the file not be written.
    """
    with _told(place, "read"):
        try:
            _call(place, lambda files, path: files.get_file(path, str(target)))
        except FileNotFoundError:
            return False
    return True


def list_names(folder: StorePath) -> list[str]:
    """Return the names directly below a place, sorted; none where nothing is there.

    Raises:
        OutputError: The store does not answer.
    """
    with _told(folder, "listed"):
        try:
            found = _call(folder, lambda files, path: _fresh(files).ls(path, detail=False))
        except FileNotFoundError:
            return []
    return sorted({str(name).rstrip("/").rpartition("/")[2] for name in found} - {""})


def list_below(folder: StorePath) -> list[StorePath]:
    """Return all objects whose names begin with a place and a slash, sorted.

    Raises:
        OutputError: The store does not answer.
    """
    with _told(folder, "listed"):
        try:
            found: dict[str, Any] = _call(
                folder, lambda files, path: _fresh(files).find(path, detail=True)
            )
            root = file_system(folder.url)[1].rstrip("/") + "/"
        except FileNotFoundError:
            return []
    names = sorted(str(name) for name, facts in found.items() if facts.get("type") == "file")
    return [folder / name.removeprefix(root) for name in names if name.startswith(root)]


def remove_objects(places: Iterable[StorePath]) -> None:
    """Remove objects; those that are gone already count as removed.

    Raises:
        OutputError: One cannot be removed.
    """
    for place in places:
        with _told(place, "removed"):
            try:
                _call(place, lambda files, path: files.rm_file(path))
            except FileNotFoundError:
                continue


def _call(place: StorePath, action: Callable[[Any, str], Result]) -> Result:
    files, path = file_system(place.url)
    return persistently(lambda: action(files, path))


def _fresh(files: Any) -> Any:
    """Make a file system forget what it listed before."""
    files.invalidate_cache()
    return files


@contextmanager
def _told(place: StorePath, what: str) -> Iterator[None]:
    """Say in one line which object failed."""
    try:
        yield
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        reason = str(error) or type(error).__name__
        raise OutputError(
            f"object '{place}': cannot be {what} ({reason}); check address, access and network, "
            "then run the same command again"
        ) from error
