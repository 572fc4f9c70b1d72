"""Allocator settings: what threads free is shared, and a step's memory stays."""

import mmap
import subprocess
import sys

import pytest

ARENAS = """
import ctypes, threading
from dfaseg import allocator
allocator.{call}
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
barrier = threading.Barrier(6)
places = set()

def take():
    # Heaps of arenas other than the first begin at multiples of 64 MiB.
    places.add(library.malloc(1000) >> 26)
    barrier.wait()

threads = [threading.Thread(target=take) for _ in range(6)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(len(places))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc has arenas")
def test_threads_share_arenas() -> None:
    """As many arenas as cores, and not one per thread."""
    shared, own = (
        int(subprocess.check_output([sys.executable, "-c", ARENAS.format(call=call)], text=True))
        for call in ("bound_arenas(2)", "bound_arenas(64)")
    )

    assert shared <= 2 < own


RELEASE = """
import ctypes
from pathlib import Path
from dfaseg import allocator

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1])

library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
library.free.argtypes = [ctypes.c_void_p]
allocator.keep_freed_memory()
places = [library.malloc(100_000) for _ in range(1000)]
for place in places:
    ctypes.memset(place, 1, 100_000)
for place in places[:-1]:  # the last one keeps the heap from becoming shorter
    library.free(place)
before = resident()
allocator.give_back_freed_memory()
print(before - resident())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux what is resident")
def test_freed_memory_is_given_back() -> None:
    """A hundred megabytes that were freed one by one go back to the system."""
    num_pages = int(subprocess.check_output([sys.executable, "-c", RELEASE], text=True))

    assert num_pages * mmap.PAGESIZE > 80_000_000


def test_the_end_searches_for_no_cycles() -> None:
    """What is left when the interpreter ends is exempt from Python's last searches."""
    at_exit = "import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count()))"
    script = f"{at_exit}; from dfaseg.allocator import collect_rarely; collect_rarely()"

    frozen = subprocess.check_output([sys.executable, "-c", script], text=True)

    assert int(frozen) > 0
