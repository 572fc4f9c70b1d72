"""Native tiles that patches share: decoded for the first that asks, kept until the last has."""

from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from dfaseg.errors import ReadError
from dfaseg.tiler.rows import TileReader
from dfaseg.tiler.unreadable import UnreadableTiles


@dataclass(frozen=True, slots=True)
class NativeTile:
    """A native tile as it came out of the file.

    Attributes:
        pixels: RGB, shape ``(tile_height, tile_width, 3)``; None means white.
        is_readable: Whether it could be decoded, if it is stored at all.
    """

    pixels: NDArray[np.uint8] | None
    is_readable: bool = True


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
        self._uses_left: list[list[int]] = num_uses.tolist()
        self._unreadable = unreadable
        self._known = frozenset(unreadable.reasons)
        self._lock = Lock()
        self._kept: dict[tuple[int, int], Future[NativeTile]] = {}

    def take(self, col: int, row: int) -> NativeTile:
        """Return a native tile; its pixels must not be changed, and last until the next call.

        Raises:
            SlideError: The slide failed in a way that is not bound to single tiles.
        """
        place = col, row
        with self._lock:
            self._uses_left[row][col] -= 1
            is_last = self._uses_left[row][col] == 0
            kept = self._kept.get(place)
            if is_last:
                self._kept.pop(place, None)
            elif kept is None:
                promise = self._kept[place] = Future[NativeTile]()
        if kept is not None:
            return kept.result()
        if is_last:
            return self._decode(self._read_passing, col, row)
        try:
            promise.set_result(self._decode(self._read_tile, col, row))
        except BaseException as error:
            promise.set_exception(error)  # who waits must not wait for ever
            raise
        return promise.result()

    def _decode(self, read_tile: TileReader, col: int, row: int) -> NativeTile:
        if (col, row) in self._known:
            return NativeTile(None, is_readable=False)
        try:
            return NativeTile(read_tile(col, row))
        except ReadError as error:
            self._unreadable.note({(col, row): error.problem})
            return NativeTile(None, is_readable=False)
