"""A file that holds the borders of unfinished regions, so that memory need not."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfaseg.errors import OutputError

Piece = tuple[int, int]
"""Where some records lie in the spool: the first one's number and their count."""

_RECORD_BYTES = 16


class Spool:
    """A growing file of records of four int32 numbers.

    Records beyond ``num_records`` are left-overs of an interrupted run and are written over.

    Raises:
        OutputError: The file cannot be written or read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.num_records = 0
        try:
            self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", 0)
        except OSError as error:
            raise self._failure(error.strerror) from error

    def append(self, records: NDArray[np.int32]) -> int:
        """Write records ``(n, 4)`` at the end; return the number of the first."""
        first = self.num_records
        data = memoryview(np.ascontiguousarray(records).reshape(-1).view(np.uint8))
        offset = first * _RECORD_BYTES
        try:
            while data:
                written = os.pwrite(self._file.fileno(), data, offset)
                data, offset = data[written:], offset + written
        except OSError as error:
            raise self._failure(error.strerror) from error
        self.num_records += len(records)
        return first

    def read(self, pieces: Sequence[Piece]) -> NDArray[np.int32]:
        """Return the records of some pieces, one after another, ``(n, 4)``."""
        records = np.empty((sum(count for _, count in pieces), 4), np.int32)
        done = 0
        for first, count in pieces:
            self._read_into(records[done : done + count], first)
            done += count
        return records

    def resume(self, num_records: int) -> None:
        """Go on after an interrupted run that had written so many records."""
        size = os.fstat(self._file.fileno()).st_size
        if size < num_records * _RECORD_BYTES:
            raise self._failure(f"holds {size} bytes, fewer than the saved state; start anew")
        self.num_records = num_records

    def close(self) -> None:
        """Close the file; it stays where it is."""
        self._file.close()

    def _read_into(self, records: NDArray[np.int32], first: int) -> None:
        view, offset = memoryview(records.reshape(-1).view(np.uint8)), first * _RECORD_BYTES
        while view:
            try:
                count = os.preadv(self._file.fileno(), [view], offset)
            except OSError as error:
                raise self._failure(error.strerror) from error
            if count == 0:
                raise self._failure("is shorter than it was written; start anew")
            view, offset = view[count:], offset + count

    def _failure(self, problem: str | None) -> OutputError:
        return OutputError(f"polygon spool '{self.path}': {problem or 'cannot be used'}")
