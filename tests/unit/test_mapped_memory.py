"""Arrays in pages of their own."""

import gc
import mmap
from pathlib import Path

import numpy as np
import pytest

from dfaseg import mapped_memory
from dfaseg.mapped_memory import mapped_array

LARGE = (3, 1024, 1025)
ASKS_LINUX = pytest.mark.skipif(
    not Path("/proc/self/maps").is_file(), reason="asks Linux what is mapped"
)


@pytest.mark.parametrize("shape", [(3, 5), (2, 0, 4), (), LARGE])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_array_is_like_any_other(shape: tuple[int, ...], dtype: type[np.generic]) -> None:
    """Shape, kind and layout are those of any new array, and it can be written to."""
    array = mapped_array(shape, dtype)
    array[...] = 1

    assert (array.shape, array.dtype) == (shape, np.dtype(dtype))
    assert array.flags.c_contiguous
    assert (array == 1).all()


def test_arrays_do_not_share_memory() -> None:
    """What is written to one shows in no other."""
    one, other = mapped_array(LARGE, np.uint8), mapped_array(LARGE, np.uint8)
    one[...], other[...] = 1, 2

    assert (one == 1).all()


@ASKS_LINUX
def test_pages_are_private() -> None:
    """Shared ones, which Python's maps have unless told otherwise, take longer to make."""
    array = mapped_array(LARGE, np.uint8)
    address = array.ctypes.data
    (access,) = [
        line.split()[1]
        for line in Path("/proc/self/maps").read_text().splitlines()
        if int(line.split("-")[0], 16) <= address < int(line.split("-")[1].split()[0], 16)
    ]

    assert access == "rw-p"


def _mapped_kb() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmSize:")[1].split()[0])


@ASKS_LINUX
def test_system_gets_it_back_at_once() -> None:
    """Nothing stays behind once the last view is gone."""
    gc.collect()
    before = _mapped_kb()
    array = mapped_array((1024, 1024, 256), np.uint8)
    view = array[1:]
    del array
    held = _mapped_kb()
    del view

    assert held - before >= 2**18 - 2**12
    assert _mapped_kb() - before < 2**16


def test_lack_of_memory_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    """What handles a lack of memory need not know of maps."""

    def refuse(_size: int) -> mmap.mmap:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(mapped_memory, "_map", refuse)

    with pytest.raises(MemoryError, match="no 12595200 bytes"):
        mapped_array(LARGE, np.float32)
