"""Arrays in memory of their own, for large ones that are held for a while.

Patches wait for the network, logits for the stitcher and mask rows for their results. Where the C
library's heap held them, each left a gap behind that what came next, feature maps of many other
sizes, did not quite fit: two to five percent of a run's memory.
"""

import math
import mmap
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Kind = TypeVar("Kind", bound=np.generic)


def mapped_array(shape: Sequence[int], dtype: type[Kind]) -> NDArray[Kind]:
    """Return an array of zeros in pages of its own, which the system takes back with it.

    Raises:
        MemoryError: There is not enough.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size == 0:
        return np.empty(shape, dtype)
    try:
        memory = mmap.mmap(-1, size)
    except OSError as error:
        raise MemoryError(f"no {size} bytes of memory are to be had") from error
    return np.ndarray(shape, dtype, memory)
