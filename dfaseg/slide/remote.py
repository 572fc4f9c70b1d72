"""Slides on other machines, read piece by piece through fsspec (http, s3, gs, az, ...)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import fsspec

from dfaseg.errors import SlideError, UnsupportedSlideError
from dfaseg.slide.identity import Identity
from dfaseg.slide.slide import Slide
from dfaseg.slide.tiff import is_tiff, open_tiff


class RemoteSource:
    """One remote file, read by ranges; safe to use from several threads at once."""

    def __init__(self, url: str) -> None:
        """Look the file up.

        Raises:
            OSError: The file cannot be reached, or its length is not known.
        """
        with _as_os_errors():
            self._files, self._path = fsspec.core.url_to_fs(url)
            size = self._files.info(self._path).get("size")
        if size is None:
            raise OSError("the server does not tell the file's length")
        self._size = int(size)
        self._is_open = True

    @property
    def size(self) -> int:
        """Length of the file in bytes."""
        return self._size

    def pread(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``; fewer only where the file ends."""
        end = min(offset + size, self._size)
        if not self._is_open:
            raise OSError("the slide is closed")
        if offset >= end:
            return b""
        data = self._fetch(offset, end)
        if len(data) != end - offset:
            raise OSError(
                f"the server sent {len(data)} bytes instead of {end - offset}; it must support "
                "range requests"
            )
        return data

    def close(self) -> None:
        """Refuse later reads; connections belong to fsspec, which shares them."""
        self._is_open = False

    def _fetch(self, start: int, end: int) -> bytes:
        with _as_os_errors():
            data: Any = self._files.cat_file(self._path, start=start, end=end)
        return bytes(data)


@contextmanager
def _as_os_errors() -> Iterator[None]:
    """Turn what a file system raises into ``OSError``."""
    try:
        yield
    except FileNotFoundError as error:
        # fsspec calls a file missing, too, whose server does not answer.
        if isinstance(error.__cause__, aiohttp.ClientConnectionError):
            raise OSError(str(error.__cause__)) from error
        raise
    except OSError:
        raise
    except Exception as error:
        # Wide, because each of fsspec's file systems is a plug-in with errors of its own: a missing
        # package, missing credentials, an HTTP status, ...
        raise OSError(str(error) or type(error).__name__) from error


def open_remote(identity: Identity, mpp: float | None) -> Slide:
    """Open a slide by its URL.

    Raises:
        SlideError: The file cannot be reached.
        UnsupportedSlideError: It cannot be read piece by piece.
        MissingResolutionError: No believable resolution is stated and ``mpp`` is not given.
    """
    source: RemoteSource | None = None
    try:
        source = RemoteSource(identity.location)
        return _open_on_bytes(source, identity, mpp)
    except FileNotFoundError as error:
        raise SlideError(identity.name, f"no such file '{identity.location}'") from error
    except OSError as error:
        raise SlideError(identity.name, f"cannot be reached ({error})") from error


def _open_on_bytes(source: RemoteSource, identity: Identity, mpp: float | None) -> Slide:
    if not is_tiff(source):
        raise UnsupportedSlideError(
            identity.name,
            "only TIFF-based slides can be read remotely; copy it to this machine first",
        )
    try:
        return open_tiff(source, identity, mpp)
    except UnsupportedSlideError as native:
        # Late, because zarr comes with it and few slides need it.
        from dfaseg.slide.tiffslide_reader import open_with_tiffslide  # noqa: PLC0415

        try:
            return open_with_tiffslide(source, identity, mpp)
        except UnsupportedSlideError as error:
            raise UnsupportedSlideError(
                identity.name,
                f"cannot be read remotely ({native.problem}; {error.problem}); "
                "copy it to this machine first",
            ) from error
