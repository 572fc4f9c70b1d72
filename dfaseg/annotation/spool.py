"""A file that holds the borders of unfinished regions, so that memory need not."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation.rings import Places, concatenate_ranges
from dfaseg.errors import OutputError
from dfaseg.files import explain

Piece = tuple[int, int]
"""Where some records lie in the spool: the first one's number and their count."""

_RECORD_BYTES = 16
_RECENT_RECORDS = 1 << 19
"""Records that are also kept in memory: most borders are asked for again within a few strips."""


class _RecentRecords:
    """The last records of a spool.

    Attributes:
        first: The number of the first one that is kept.
    """

    def __init__(self) -> None:
        self.first = 0
        self._count = 0
        # Twice the room, so that records are seldom moved.
        self._records = np.empty((2 * _RECENT_RECORDS, 4), np.int32)

    def add(self, records: NDArray[np.int32]) -> None:
        """Keep the next records; older ones are forgotten when there is no room."""
        new = records[-_RECENT_RECORDS:]
        skipped = len(records) - len(new)
        if skipped or self._count + len(new) > len(self._records):
            kept = 0 if skipped else min(self._count, _RECENT_RECORDS - len(new))
            self._records[:kept] = self._records[self._count - kept : self._count]
            self.first += self._count - kept + skipped
            self._count = kept
        self._records[self._count : self._count + len(new)] = new
        self._count += len(new)

    def take(self, firsts: Places, counts: Places) -> NDArray[np.int32]:
        """Return the records of some pieces, all of them kept."""
        return self._records.take(concatenate_ranges(firsts - self.first, counts), axis=0)

    def forget(self, first: int) -> None:
        """Forget all records; the next one has the number ``first``."""
        self.first, self._count = first, 0


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
        self._recent = _RecentRecords()
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
        self._recent.add(records)
        self.num_records += len(records)
        return first

    def fetch(self, firsts: Places, counts: Places) -> NDArray[np.int32]:
        """Return the records of many pieces, ``(n, 4)``, from memory where they are recent.

        Only for the thread that writes.

        Args:
            firsts: The first record of each piece.
            counts: How many it has.
        """
        is_recent = (firsts >= self._recent.first) | (counts == 0)
        if is_recent.all():
            return self._recent.take(firsts, counts)
        records = np.empty((int(counts.sum()), 4), np.int32)
        starts = np.cumsum(counts) - counts
        inside = concatenate_ranges(starts[is_recent], counts[is_recent])
        records[inside] = self._recent.take(firsts[is_recent], counts[is_recent])
        old = np.stack([firsts, starts, starts + counts])[:, ~is_recent]
        for first, start, end in old.T.tolist():
            self._read_piece(first * _RECORD_BYTES, records[start:end].data.cast("B"))
        return records

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
        self._recent.forget(num_records)

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
