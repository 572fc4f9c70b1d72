"""Arrays in pages of their own."""

import gc
import mmap
from pathlib import Path

import numpy as np
import pytest
import torch

from dfaseg import mapped_memory
from dfaseg.mapped_memory import mapped_array

LARGE = (3, 1024, 1025)
ASKS_LINUX = pytest.mark.skipif(
    not Path("/proc/self/maps").is_file(), reason="asks Linux what is mapped"
)


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what other tests have dropped."""
    monkeypatch.setattr(mapped_memory, "_kept", mapped_memory._KeptMaps())


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


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


VIEWS = {
    "slice": lambda array: array[1:, ::2],
    "shape": lambda array: array.reshape(-1)[7:],
    "kind": lambda array: array.reshape(-1)[: 2**20].view(np.float32),
    "tensor": lambda array: torch.from_numpy(array)[2:].permute(2, 0, 1),
}


@pytest.mark.parametrize("last", VIEWS)
def test_memory_serves_again_once_the_last_view_is_gone(last: str) -> None:
    """Not before: what still waits would be written over."""
    array = mapped_array(LARGE, np.uint8)
    place = _address(array)
    view = VIEWS[last](array)
    del array
    gc.collect()
    others = [mapped_array(LARGE, np.uint8) for _ in range(9)]
    assert place not in map(_address, others)
    del view, others

    assert place in map(_address, [mapped_array(LARGE, np.uint8) for _ in range(10)])


@ASKS_LINUX
def test_system_gets_back_what_is_too_much() -> None:
    """However many and large arrays are dropped."""
    gc.collect()
    before = _mapped_kb()
    large = mapped_array((1024, 1024, 256), np.uint8)
    many = [mapped_array(LARGE, np.uint8) for _ in range(100)]
    held = _mapped_kb()
    del large, many

    assert held - before >= 500 * 1024
    assert _mapped_kb() - before <= mapped_memory.MOST_FREE_BYTES // 1024 + 2**14


def test_lack_of_memory_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    """What handles a lack of memory need not know of maps."""

    def refuse(_size: int) -> mmap.mmap:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(mapped_memory, "_map", refuse)

    with pytest.raises(MemoryError, match="no 12595200 bytes"):
        mapped_array(LARGE, np.float32)
