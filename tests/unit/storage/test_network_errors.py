"""What is tried again over a network, and how often."""

import errno

import aiohttp
import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from dfaseg.storage import network_errors
from dfaseg.storage.network_errors import as_os_errors, is_passing, is_taken, persistently


class ClientError(Exception):
    """An error as botocore raises it, by its shape."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.response = {"ResponseMetadata": {"HTTPStatusCode": status}, "Error": {}}


def caused_by(cause: Exception) -> OSError:
    """Return the error that s3fs makes of another."""
    error = OSError(errno.EIO, "told in other words")
    error.__cause__ = cause
    return error


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Do not wait, but note for how long one would."""
    slept: list[float] = []
    monkeypatch.setattr(network_errors.time, "sleep", slept.append)
    return slept


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (OSError(errno.EBUSY, "slow down"), True),
        (aiohttp.ServerDisconnectedError(), True),
        (aiohttp.ClientPayloadError(), True),
        (caused_by(ClientError(503)), True),
        (caused_by(ClientError(500)), True),
        (caused_by(ClientError(429)), True),
        (caused_by(ClientError(501)), False),
        (caused_by(ClientError(403)), False),
        (FileNotFoundError(), False),
        (PermissionError(), False),
        (ValueError("a mistake"), False),
    ],
    ids=str,
)
def test_only_what_may_pass_is_tried_again(error: Exception, expected: bool) -> None:
    """A missing object or a forbidden one stays so."""
    assert is_passing(error) is expected


def test_attempts_are_bounded_and_farther_and_farther_apart(waits: list[float]) -> None:
    """About 15 seconds in all, the last error is told."""
    with pytest.raises(OSError, match="slow"):
        persistently(lambda: raise_(OSError(errno.EBUSY, "slow")))

    assert len(waits) == 5
    assert 7 < sum(waits) < 16
    assert waits[-1] > waits[0]


def test_first_success_ends_it(waits: list[float]) -> None:
    """And what never passes ends it as well."""
    errors: list[Exception] = [ConnectionResetError(), aiohttp.ClientPayloadError()]

    assert persistently(lambda: raise_(errors.pop()) if errors else 7) == 7
    assert len(waits) == 2
    with pytest.raises(PermissionError):
        persistently(lambda: raise_(PermissionError()))
    assert len(waits) == 2


def test_errors_of_plug_ins_become_os_errors() -> None:
    """Each file system has its own."""
    with pytest.raises(OSError, match="no credentials"):
        persistently(lambda: raise_(RuntimeError("no credentials")))


def test_object_that_is_there_is_told_by_kind_or_status() -> None:
    """Not every server says which condition failed."""
    assert is_taken(FileExistsError())
    assert is_taken(caused_by(ClientError(412)))
    assert not is_taken(caused_by(ClientError(404)))


def raise_(error: Exception) -> None:
    """Raise where only an expression can stand."""
    raise error


@pytest.mark.parametrize(
    ("status", "kind", "told"),
    [(404, FileNotFoundError, "a.svs"), (403, OSError, "403 Forbidden")],
    ids=["missing", "forbidden"],
)
def test_web_file_is_missing_only_where_the_server_says_so(
    status: int, kind: type[OSError], told: str
) -> None:
    """Fsspec says so of every file that it does not get."""
    request = aiohttp.RequestInfo(URL("http://host/a.svs"), "GET", CIMultiDictProxy(CIMultiDict()))
    error = FileNotFoundError("http://host/a.svs")
    error.__cause__ = aiohttp.ClientResponseError(request, (), status=status, message="Forbidden")

    with pytest.raises(OSError, match=told) as caught, as_os_errors():
        raise error

    assert type(caught.value) is kind
