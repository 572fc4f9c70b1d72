"""Arrays in memory of their own, for large ones that are held for a while.

Patches wait for the network, logits for the stitcher and mask rows for their results. Where the C
library's heap held them, each left a gap behind that what came next, feature maps of many other
sizes, did not quite fit: one to three percent of a run's memory. What is dropped is used for the
next array of its size: the system fills what it maps with zeros, which took as much of its time.
"""

import math
import mmap
import weakref
from collections import deque
from collections.abc import Sequence
from threading import Lock
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

HUGE_PAGE = 2**21
"""Bytes that the system maps at once where it may; page by page takes ten times as long."""
MOST_FREE_BYTES = 96 * 2**20
"""What is kept for the next arrays: some of each size that comes and goes in a run."""

Kind = TypeVar("Kind", bound=np.generic)


def mapped_array(shape: Sequence[int], dtype: type[Kind]) -> NDArray[Kind]:
    """Return an array with anything in it.

    One smaller than a huge page is an ordinary array. Others have memory of their own, which serves
    again once the array and all views of it are gone, or goes back to the system.

    Raises:
        MemoryError: There is not enough.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size < HUGE_PAGE:
        return np.empty(shape, dtype)
    try:
        memory = _kept.take(size) or _map(size)
    except OSError as error:
        raise MemoryError(f"no {size} bytes of memory are to be had") from error
    # All views are NumPy's views of this one, which therefore is the last to go.
    whole = np.frombuffer(memory, np.uint8)
    weakref.finalize(whole, _kept.put, memory).atexit = False
    return whole[:size].view(dtype).reshape(shape)


class _KeptMaps:
    """Maps that nobody uses, the last ones that were dropped."""

    def __init__(self) -> None:
        self._maps: deque[mmap.mmap] = deque()
        self._lock = Lock()

    def take(self, size: int) -> mmap.mmap | None:
        """Return a map of just as many huge pages, if there is one."""
        whole = _whole_pages(size)
        with self._lock:
            for place, memory in enumerate(self._maps):
                if len(memory) == whole:
                    del self._maps[place]
                    return memory
        return None

    def put(self, memory: mmap.mmap) -> None:
        """Keep a map, and give back to the system those dropped before it that are too many."""
        with self._lock:
            self._maps.append(memory)
            while sum(map(len, self._maps)) > MOST_FREE_BYTES:
                self._maps.popleft()


_kept = _KeptMaps()


def _whole_pages(size: int) -> int:
    return -(-size // HUGE_PAGE) * HUGE_PAGE


def _map(size: int) -> mmap.mmap:
    # Linux lets only whole huge pages begin where these can lie.
    memory = mmap.mmap(-1, _whole_pages(size), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        # What is left over is mapped page by page: a huge one would be there in full.
        memory.madvise(mmap.MADV_HUGEPAGE, 0, size // HUGE_PAGE * HUGE_PAGE)
    return memory
