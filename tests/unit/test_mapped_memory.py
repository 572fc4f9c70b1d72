"""Arrays in pages of their own."""

import gc
import mmap
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dfaseg import mapped_memory
from dfaseg.mapped_memory import mapped_array


@pytest.mark.parametrize("shape", [(3, 5), (2, 0, 4), ()])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_array_is_like_any_other(shape: tuple[int, ...], dtype: type[np.generic]) -> None:
    """Shape, kind and layout are those of an array of zeros, and it can be written to."""
    array = mapped_array(shape, dtype)
    array[...] = 1

    assert (array.shape, array.dtype) == (shape, np.dtype(dtype))
    assert array.flags.c_contiguous
    assert (array == 1).all()
    assert not mapped_array(shape, dtype).any()


def _mapped_kb() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmSize:")[1].split()[0])


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="asks Linux what is mapped")
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

    def refuse(_fd: int, _size: int) -> mmap.mmap:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(mapped_memory, "mmap", SimpleNamespace(mmap=refuse))

    with pytest.raises(MemoryError, match="no 12 bytes"):
        mapped_array((3,), np.float32)
