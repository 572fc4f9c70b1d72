"""Settings of the C library's allocator, which only glibc has, and of Python's own collector."""

import atexit
import ctypes
import gc
import sys

_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4
_M_ARENA_MAX = -8
_LARGEST_INT = 2**31 - 1
_OBJECTS_PER_COLLECTION = 400_000
"""Objects made between two searches for cycles. Libraries make a third of a million while they
load, and at Python's own 700 the searches through them take a fifth of the time until a run begins;
a tenth at a hundred thousand."""


def collect_rarely() -> None:
    """Search for cycles of objects less often than Python does by itself, and not while it ends.

    At its end Python searches all that is left, several times: a million objects of libraries, half
    a second, for memory that the system takes back at once.
    """
    gc.set_threshold(_OBJECTS_PER_COLLECTION)
    atexit.register(gc.freeze)


def keep_freed_memory() -> None:
    """Keep freed memory for the next step, which needs as much again.

    glibc maps every large tensor afresh and unmaps it when freed, and the system fills each page
    with zeros: on a CPU that took half the time of a training step.
    """
    _set({_M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: _LARGEST_INT})


def bound_arenas(cores: int) -> None:
    """Let threads share what is freed; call before there are any.

    glibc gives each of up to eight threads per core an arena of its own, and what one thread has
    freed no other can use: on two cores that held 80 MB.

    Args:
        cores: Cores the job may use.
    """
    _set({_M_ARENA_MAX: max(2, cores)})


def give_back_freed_memory() -> None:
    """Give what is free back to the system, after something large that will not come again."""
    if (library := _glibc()) is not None:
        library.malloc_trim(0)


def _set(values: dict[int, int]) -> None:
    if (library := _glibc()) is not None:
        for parameter, value in values.items():
            library.mallopt(parameter, value)


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None
