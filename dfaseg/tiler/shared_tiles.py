"""Native tiles that patches share: decoded for the first that asks, kept until the last has."""

from concurrent.futures import Future
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from dfaseg.errors import ReadError
from dfaseg.tiler.rows import TileReader
from dfaseg.tiler.unreadable import UnreadableTiles


class SharedTiles:
    """Decodes each native tile once, in the thread that asks first.

    Who asks while it is being decoded waits. What is kept is what somebody will still ask for;
    a tile that is asked for only once is never kept.

    Args:
        read_tile: Decodes one.
        read_passing: The same, for tiles that are asked for once: what it returns lasts until the
            thread asks for the next.
        num_uses: How often each will be asked for, shape ``(tile rows, tile columns)``.
        unreadable: Where those that fail are noted; those that are noted are not tried again.
    """

    def __init__(
        self,
        read_tile: TileReader,
        read_passing: TileReader,
        num_uses: NDArray[np.int64],
        unreadable: UnreadableTiles,
    ) -> None:
        self._read_tile = read_tile
        self._read_passing = read_passing
        self._unshared: list[list[bool]] = (num_uses == 1).tolist()
        self._uses_left: list[list[int]] = num_uses.tolist()
        self._unreadable = unreadable
        self._lock = Lock()
        self._kept: dict[tuple[int, int], Future[NDArray[np.uint8] | None]] = {}

    def take(self, col: int, row: int) -> NDArray[np.uint8] | None:
        """Return a native tile, ``(tile_height, tile_width, 3)``; None means white.

        The pixels must not be changed, and last until the next call.

        Raises:
            SlideError: The slide failed in a way that is not bound to single tiles.
        """
        if self._unshared[row][col]:
            return self._decode(self._read_passing, col, row)
        place = col, row
        promise: Future[NDArray[np.uint8] | None]
        with self._lock:
            self._uses_left[row][col] -= 1
            kept = self._kept.get(place)
            if self._uses_left[row][col] == 0:
                self._kept.pop(place, None)
            elif kept is None:
                # Not of a kind, which Python would put together each time.
                promise = self._kept[place] = Future()
        if kept is not None:
            return kept.result()
        try:
            promise.set_result(self._decode(self._read_tile, col, row))
        except BaseException as error:
            promise.set_exception(error)  # who waits must not wait for ever
            raise
        return promise.result()

    def is_readable(self, col: int, row: int) -> bool:
        """Tell whether a native tile that was taken could be decoded, if it is stored at all."""
        return (col, row) not in self._unreadable

    def _decode(self, read_tile: TileReader, col: int, row: int) -> NDArray[np.uint8] | None:
        if (col, row) in self._unreadable:
            return None
        try:
            return read_tile(col, row)
        except ReadError as error:
            self._unreadable.note({(col, row): error.problem})
            return None
