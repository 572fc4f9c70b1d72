"""Arrays in memory of their own, for large ones that are held for a while.

Patches wait for the network, logits for the stitcher and mask rows for their results. Where the C
library's heap held them, each left a gap behind that what came next, feature maps of many other
sizes, did not quite fit: one to three percent of a run's memory.
"""

import math
import mmap
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

HUGE_PAGE = 2**21
"""Bytes that the system maps at once where it may; page by page takes ten times as long."""

Kind = TypeVar("Kind", bound=np.generic)


def mapped_array(shape: Sequence[int], dtype: type[Kind]) -> NDArray[Kind]:
    """Return an array, with anything in it, that the system takes back as soon as it is dropped.

    One smaller than a huge page is an ordinary array.

    Raises:
        MemoryError: There is not enough.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size < HUGE_PAGE:
        return np.empty(shape, dtype)
    try:
        return np.ndarray(shape, dtype, _map(size))
    except OSError as error:
        raise MemoryError(f"no {size} bytes of memory are to be had") from error


def _map(size: int) -> mmap.mmap:
    # Linux lets only whole huge pages begin where these can lie.
    whole = -(-size // HUGE_PAGE) * HUGE_PAGE
    memory = mmap.mmap(-1, whole, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        # What is left over is mapped page by page: a huge one would be there in full.
        memory.madvise(mmap.MADV_HUGEPAGE, 0, size // HUGE_PAGE * HUGE_PAGE)
    return memory
