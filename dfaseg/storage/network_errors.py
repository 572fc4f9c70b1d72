"""What can go wrong over a network: told as ``OSError``, and tried again where it may pass."""

import errno
import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TypeVar

import aiohttp

log = logging.getLogger(__name__)

Result = TypeVar("Result")

WAITS_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Between two attempts, each shortened by up to a half so that jobs do not come back all at once.
A store that slows its users down recovers within seconds."""

_PASSING = frozenset(
    {errno.EBUSY, errno.EAGAIN, errno.EPIPE, errno.ECONNRESET, errno.ECONNREFUSED}
    | {errno.ECONNABORTED, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH}
)
_PASSING_KINDS = (
    ConnectionError,
    TimeoutError,
    aiohttp.ClientConnectionError,
    aiohttp.ClientPayloadError,
)
_PASSING_NAMES = frozenset(
    {"EndpointConnectionError", "ConnectionClosedError", "HTTPClientError", "ConnectTimeoutError"}
    | {"ReadTimeoutError", "IncompleteReadError", "ResponseStreamingError", "ResponseParserError"}
)
"""Of botocore, which is not installed where nobody needs it."""


def persistently(action: Callable[[], Result]) -> Result:
    """Do something over a network, and again a little later where its failure may pass.

    Args:
        action: Must be fit to be done twice.

    Raises:
        OSError: It failed for good, or every time.
    """
    for wait in WAITS_SECONDS:
        try:
            with as_os_errors():
                return action()
        except OSError as error:
            if not is_passing(error):
                raise
            log.debug("tried again in %g s: %s", wait, error)
        time.sleep(wait * random.uniform(0.5, 1.0))
    with as_os_errors():
        return action()


@contextmanager
def as_os_errors() -> Iterator[None]:
    """Turn what a file system of fsspec raises into ``OSError``."""
    try:
        yield
    except FileNotFoundError as error:
        # fsspec calls a file missing, too, whose server does not answer, or refuses it.
        cause = error.__cause__
        if cause is None or _is_missing(cause):
            raise
        raise OSError(_words(cause)) from cause
    except OSError:
        raise
    except Exception as error:
        # Wide, because each of fsspec's file systems is a plug-in with errors of its own: a missing
        # package, missing credentials, an HTTP status, ...
        raise OSError(_words(error)) from error


def is_passing(error: BaseException) -> bool:
    """Tell whether a failure may be gone at the next attempt."""
    return any(
        isinstance(link, _PASSING_KINDS)
        or (isinstance(link, OSError) and link.errno in _PASSING)
        or type(link).__name__ in _PASSING_NAMES
        or _is_passing_status(_status(link))
        for link in _links(error)
    )


def is_taken(error: BaseException) -> bool:
    """Tell whether an object was not made because there is one."""
    return any(
        isinstance(link, FileExistsError) or _status(link) == HTTPStatus.PRECONDITION_FAILED
        for link in _links(error)
    )


def _words(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientResponseError):
        return f"{error.status} {error.message}"
    return str(error) or type(error).__name__


def _is_missing(cause: BaseException) -> bool:
    """Tell whether a file is what is missing, and not an answer or the permission to read it."""
    if isinstance(cause, aiohttp.ClientResponseError):
        return cause.status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
    return not isinstance(cause, aiohttp.ClientConnectionError)


def _links(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that led to it."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__


def _is_passing_status(status: int | None) -> bool:
    """Server errors but "not implemented", "slow down", and two writers at the same moment."""
    if status is None or status == HTTPStatus.NOT_IMPLEMENTED:
        return False
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in {
        HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT,
    }  # fmt: skip


def _status(error: BaseException) -> int | None:
    """Return the HTTP status that aiohttp or botocore report; None where there is none."""
    if isinstance(error, aiohttp.ClientResponseError):
        return error.status
    response = getattr(error, "response", None)
    metadata = response.get("ResponseMetadata", {}) if isinstance(response, dict) else {}
    status = metadata.get("HTTPStatusCode")
    return status if isinstance(status, int) else None
