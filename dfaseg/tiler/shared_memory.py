"""Memory that several processes share, and that is gone with the last of them."""

import math
import mmap
import os
from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray


class SharedPixels:
    """Pixels in memory without a name: nothing is left behind, however a process ends.

    Args:
        fd: Open file of the memory; owned from here on.
        shape: Shape of the pixels, uint8.
    """

    def __init__(self, fd: int, shape: Sequence[int]) -> None:
        self.fd = fd
        self.shape = tuple(shape)
        memory = mmap.mmap(fd, math.prod(self.shape))
        self.pixels: NDArray[np.uint8] = np.frombuffer(memory, np.uint8).reshape(self.shape)

    @classmethod
    def create(cls, shape: Sequence[int]) -> Self:
        """Take new memory, all zero.

        Raises:
            OSError: There is not enough.
        """
        fd = os.memfd_create("dfaseg-tiles")
        try:
            os.ftruncate(fd, math.prod(shape))
            return cls(fd, shape)
        except BaseException:
            os.close(fd)
            raise

    def close(self) -> None:
        """Let go of it; the pixels stay valid for as long as somebody holds them."""
        os.close(self.fd)


def can_share() -> bool:
    """Tell whether this system has such memory."""
    return hasattr(os, "memfd_create")
