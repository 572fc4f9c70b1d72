"""A file that holds the borders of unfinished regions, so that memory need not."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfaseg.errors import OutputError
from dfaseg.files import explain

Piece = tuple[int, int]
"""Where some records lie in the spool: the first one's number and their count."""

_RECORD_BYTES = 16


class Spool:
    """A growing file of records of four int32 numbers.

    Records beyond ``num_records`` are left-overs of an interrupted run and are written over. One
    thread may write while others read what is there.

    Raises:
        OutputError: The file cannot be written or read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.num_records = 0
        try:
            path.touch()
            self._file = path.open("r+b", buffering=0)
        except OSError as error:
            raise self._failure(explain(error)) from error

    def append(self, records: NDArray[np.int32]) -> int:
        """Write records ``(n, 4)`` at the end; return the number of the first."""
        first = self.num_records
        if len(records) == 0:
            return first
        data, offset = np.ascontiguousarray(records).data.cast("B"), first * _RECORD_BYTES
        try:
            while data:
                size = os.pwrite(self._file.fileno(), data, offset)
                data, offset = data[size:], offset + size
        except OSError as error:
            raise self._failure(explain(error)) from error
        self.num_records += len(records)
        return first

    def read(self, pieces: Sequence[Piece]) -> NDArray[np.int32]:
        """Return the records of some pieces, one after another, ``(n, 4)``."""
        records = np.empty((sum(count for _, count in pieces), 4), np.int32)
        if len(records) == 0:
            return records
        data = records.data.cast("B")
        for first, count in pieces:
            size = count * _RECORD_BYTES
            self._read_piece(first * _RECORD_BYTES, data[:size])
            data = data[size:]
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

    def _read_piece(self, offset: int, data: memoryview) -> None:
        """Fill ``data`` with what lies at ``offset`` bytes."""
        try:
            while data and (size := os.preadv(self._file.fileno(), [data], offset)):
                data, offset = data[size:], offset + size
        except OSError as error:
            raise self._failure(explain(error)) from error
        if data:
            raise self._failure("is shorter than it was written; start anew")

    def _failure(self, problem: str | None) -> OutputError:
        return OutputError(f"polygon spool '{self.path}': {problem or 'cannot be used'}")
