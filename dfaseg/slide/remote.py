"""Slides on other machines, read piece by piece through fsspec (http, s3, gs, az, ...)."""

from typing import Any

from dfaseg.errors import SlideError, UnsupportedSlideError
from dfaseg.slide.identity import Identity
from dfaseg.slide.slide import Slide
from dfaseg.slide.tiff import is_tiff, open_tiff
from dfaseg.storage.network_errors import persistently
from dfaseg.storage.objects import file_system


class RemoteSource:
    """One remote file, read by ranges; safe to use from several threads at once.

    What fails for a moment is read again. A file that was there and cannot be reached any more is
    no matter of single tiles: they would all be called damaged, and the slide finished without
    them. That is a ``SlideError``, which readers do not take for bad data.
    """

    def __init__(self, identity: Identity) -> None:
        """Look the file up.

        Raises:
            OSError: The file cannot be reached, or its length is not known.
        """
        self._identity = identity
        self._files, self._path = file_system(identity.location)
        facts: Any = persistently(lambda: self._files.info(self._path))
        size = facts.get("size")
        if size is None:
            raise OSError("the server does not tell the file's length")
        self._size = int(size)
        self._is_open = True

    @property
    def size(self) -> int:
        """Length of the file in bytes."""
        return self._size

    def pread(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``; fewer only where the file ends.

        Raises:
            OSError: The slide is closed.
            SlideError: The file cannot be reached any more, or not in parts.
        """
        end = min(offset + size, self._size)
        if not self._is_open:
            raise OSError("the slide is closed")
        if offset >= end:
            return b""
        data = self._fetch(offset, end)
        if len(data) != end - offset:
            raise SlideError(
                self._identity.name,
                f"'{self._identity.location}' cannot be read in parts (the server sent {len(data)} "
                f"bytes instead of {end - offset}); take a server that supports range requests, or "
                "download the slide first",
            )
        return data

    def close(self) -> None:
        """Refuse later reads; connections belong to fsspec, which shares them."""
        self._is_open = False

    def _fetch(self, start: int, end: int) -> bytes:
        try:
            data: Any = persistently(lambda: self._files.cat_file(self._path, start=start, end=end))
        except OSError as error:
            raise self._lost(str(error) or type(error).__name__) from error
        return bytes(data)

    def _lost(self, reason: str) -> SlideError:
        return SlideError(
            self._identity.name,
            f"'{self._identity.location}' cannot be read any more ({reason}); run the same command "
            "again to go on",
        )


def open_remote(identity: Identity, mpp: float | None) -> Slide:
    """Open a slide by its URL.

    Raises:
        SlideError: The file cannot be reached.
        UnsupportedSlideError: It cannot be read piece by piece.
        MissingResolutionError: No believable resolution is stated and ``mpp`` is not given.
    """
    source: RemoteSource | None = None
    try:
        source = RemoteSource(identity)
        return _open_on_bytes(source, identity, mpp)
    except FileNotFoundError as error:
        raise SlideError(
            identity.name, f"no such file '{identity.location}'; check the address"
        ) from error
    except OSError as error:
        raise SlideError(
            identity.name,
            f"cannot be reached ({error}); check its address, the credentials and the network",
        ) from error


def _open_on_bytes(source: RemoteSource, identity: Identity, mpp: float | None) -> Slide:
    if not is_tiff(source):
        raise UnsupportedSlideError(
            identity.name,
            "only TIFF-based slides can be read remotely; copy it to this machine first, as "
            "'dfaseg predict' does with --scratch",
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
                "copy it to this machine first, as 'dfaseg predict' does with --scratch",
            ) from error
