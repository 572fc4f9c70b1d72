"""Keep freed memory for the next step, which needs as much again."""

import ctypes
import sys

_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4
_LARGEST_INT = 2**31 - 1


def keep_freed_memory() -> None:
    """Tell the C library not to hand freed tensors back to the system.

    glibc maps every large tensor afresh and unmaps it when freed, and the system fills each page
    with zeros: on a CPU that took half the time of a training step. Other C libraries are left
    as they are.
    """
    if not sys.platform.startswith("linux"):
        return
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return
    library.mallopt(_M_MMAP_MAX, 0)
    library.mallopt(_M_TRIM_THRESHOLD, _LARGEST_INT)
