"""Allocator settings: what threads free is shared, and a step's memory stays."""

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


def test_the_end_searches_for_no_cycles() -> None:
    """What is left when the interpreter ends is exempt from Python's last searches."""
    at_exit = "import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count()))"
    script = f"{at_exit}; from dfaseg.allocator import collect_rarely; collect_rarely()"

    frozen = subprocess.check_output([sys.executable, "-c", script], text=True)

    assert int(frozen) > 0
