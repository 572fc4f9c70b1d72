"""Arrays held in memory as far as it goes, and beyond that in a file that nobody else sees."""

import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from dfaseg.errors import OutputError
from dfaseg.files import explain

Array = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class StoredArray:
    """Where an array lies in the scratch file."""

    offset: int
    shape: tuple[int, ...]


class ArrayStore:
    """Takes uint8 arrays from several threads.

    The scratch file lies in ``TMPDIR`` and has no name: the system removes it when the last array
    over it is gone, or the process. It is made when the first array does not fit.
    """

    def __init__(self, memory_bytes: int) -> None:
        """Hold at most ``memory_bytes`` of arrays in memory."""
        self._free_bytes = memory_bytes
        self._lock = threading.Lock()
        self._file: BinaryIO | None = None
        self._file_bytes = 0

    @property
    def file_bytes(self) -> int:
        """Bytes that did not fit in memory."""
        return self._file_bytes

    def keep(self, array: Array) -> Array | StoredArray:
        """Keep an array where there is room; ``open_arrays`` makes it readable.

        Raises:
            OutputError: The disk is full or not to be written to.
        """
        array = np.ascontiguousarray(array)
        with self._lock:
            if array.nbytes <= self._free_bytes:
                self._free_bytes -= array.nbytes
                return array
            return self._write(array)

    def open_arrays(self, kept: Sequence[Array | StoredArray]) -> list[Array]:
        """Return all arrays, those on disk as read-only views whose pages are read when touched."""
        if self._file is None:
            return [array for array in kept if not isinstance(array, StoredArray)]
        whole = np.asarray(np.memmap(self._file, np.uint8, "r"))
        return [_view(whole, array) if isinstance(array, StoredArray) else array for array in kept]

    def close(self) -> None:
        """Close the scratch file; opened arrays stay readable."""
        if self._file is not None:
            with suppress(OSError):  # a full disk has been told of by then
                self._file.close()

    def _write(self, array: Array) -> StoredArray:
        stored = StoredArray(self._file_bytes, array.shape)
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="dfaseg-")  # noqa: SIM115  # see close
            self._file.write(array.data)
            self._file.flush()
        except OSError as error:
            raise OutputError(
                f"scratch folder '{tempfile.gettempdir()}': cannot hold the images that do not fit"
                f" in memory ({explain(error)}); set TMPDIR to a larger local disk"
            ) from error
        self._file_bytes += array.nbytes
        return stored


def _view(whole: Array, stored: StoredArray) -> Array:
    size = int(np.prod(stored.shape))
    return whole[stored.offset : stored.offset + size].reshape(stored.shape)
