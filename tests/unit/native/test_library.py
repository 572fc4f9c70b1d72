"""The compiled library: whether it is that of the sources, of this processor, and there at all."""

import zlib
from ctypes import CDLL, c_uint32
from fractions import Fraction

import numpy as np
import pytest

from dfaseg.errors import DfasegError
from dfaseg.geometry import NativeAxis
from dfaseg.native import library
from dfaseg.native.average import CutRow, StripMean
from dfaseg.native.library import FOLDER, has_avx2, load

FAST = FOLDER / "libdfaseg-avx2.so"
NEEDS_AVX2 = pytest.mark.skipif(
    not (FAST.is_file() and has_avx2()), reason="this processor has no AVX2"
)


@pytest.fixture
def _fresh_library():
    """Loads the library anew for a test, and for those after it."""
    load.cache_clear()
    yield
    load.cache_clear()


@pytest.mark.usefixtures("_fresh_library")
@pytest.mark.parametrize("fast", [False, pytest.param(True, marks=NEEDS_AVX2)])
def test_either_library_averages(fast, monkeypatch):
    """Whatever the processor is able to run."""
    monkeypatch.setattr(library, "has_avx2", lambda: fast)
    source = np.arange(28 * 28 * 3, dtype=np.uint8).reshape(28, 28, 3)
    axis = NativeAxis(Fraction(14), 2, 28, 1)
    mean = StripMean(axis, axis)
    mean.begin(0)

    mean.add(0, source)
    _, result = mean.join(CutRow(axis))

    blocks = source.reshape(2, 14, 2, 14, 3).mean(axis=(1, 3))
    np.testing.assert_array_equal(result, np.floor(blocks + 0.5))
    assert load()._name == str(FAST if fast else FOLDER / "libdfaseg.so")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.so")), ids=lambda path: path.name)
def test_libraries_are_compiled_from_the_sources_beside_them(path):
    """Otherwise: pip install -e ."""
    sources = b"".join(source.read_bytes() for source in sorted(FOLDER.glob("*.c")))

    assert c_uint32.in_dll(CDLL(str(path)), "dfaseg_source_crc").value == zlib.crc32(sources)


@pytest.mark.usefixtures("_fresh_library")
def test_lack_of_a_library_says_what_to_do(monkeypatch, tmp_path):
    """As in a checkout that was never installed."""
    monkeypatch.setattr(library, "FOLDER", tmp_path)

    with pytest.raises(DfasegError, match=r"libdfaseg\.so.*install dfaseg with pip"):
        load()
