"""Bytes at an offset, from a file or another machine; the only door of the native reader."""

import errno
import io
import os
import stat
from pathlib import Path
from typing import Protocol


class ByteSource(Protocol):
    """Random access to the bytes of one file; safe to use from several threads at once."""

    @property
    def size(self) -> int:
        """Length of the file in bytes."""
        ...

    def pread(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``; fewer only where the file ends.

        Raises:
            OSError: The bytes cannot be read.
        """
        ...

    def close(self) -> None:
        """Release the file; later reads fail with ``OSError``."""
        ...


def read_exactly(source: ByteSource, offset: int, size: int) -> bytes:
    """Return ``size`` bytes from ``offset``.

    Raises:
        EOFError: The file ends before.
        OSError: The bytes cannot be read.
    """
    data = source.pread(offset, size)
    if len(data) != size:
        raise EOFError(f"the file is cut short, it ends at byte {source.size}")
    return data


class FileSource:
    """A local file, read by position through one descriptor.

    Positioned reads need no lock and no seek. The file is never mapped into memory: on a network
    disk a mapped page that goes missing kills the process, and small faults are slow.
    """

    _descriptor = -1

    def __init__(self, path: Path) -> None:
        # Opening a pipe would wait, for ever and through SIGTERM, until somebody writes to it.
        self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0))
        status = os.fstat(self._descriptor)
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            self.close()
            raise OSError(errno.ESPIPE, "a pipe or device, not a file")
        self._size = status.st_size

    @property
    def size(self) -> int:
        """Length of the file in bytes."""
        return self._size

    def pread(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``; fewer only where the file ends."""
        data = os.pread(self._descriptor, size, offset)
        if len(data) == size:
            return data
        # A read may be cut short by a signal or by the kernel's limit of 2 GiB.
        parts = [data]
        while data and (missing := size - sum(map(len, parts))):
            data = os.pread(self._descriptor, missing, offset + size - missing)
            parts.append(data)
        return b"".join(parts)

    def close(self) -> None:
        """Close the descriptor; later reads fail with ``OSError``."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        self.close()


class SourceReader(io.RawIOBase):
    """A byte source as a seekable stream, for libraries that parse headers.

    Closing the stream leaves the source open.
    """

    def __init__(self, source: ByteSource) -> None:
        super().__init__()
        self._source = source
        self._position = 0

    def readable(self) -> bool:
        """Tell that the stream can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that the stream can be sought in."""
        return True

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to ``offset`` counted from the start, the position or the end."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._source.size}
        self._position = max(0, base[whence] + offset)
        return self._position

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]  # narrower than Buffer, as RawIOBase calls it
        """Fill ``buffer`` from the position on and return the number of bytes."""
        wanted = min(len(buffer), max(0, self._source.size - self._position))
        data = self._source.pread(self._position, wanted) if wanted else b""
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
