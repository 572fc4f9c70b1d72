"""Loads the library that the installation has compiled from the C beside this file."""

import ctypes
from functools import cache
from pathlib import Path

import numpy as np

from dfaseg.errors import DfasegError

FOLDER = Path(__file__).parent


@cache
def load() -> ctypes.CDLL:
    """Return the library that suits this processor; calls into it do not hold Python's lock.

    Raises:
        DfasegError: There is none.
    """
    library = FOLDER / "libdfaseg-avx2.so"
    if not (library.is_file() and has_avx2()):
        library = FOLDER / "libdfaseg.so"
    try:
        loaded = ctypes.CDLL(str(library))
    except OSError as error:
        raise DfasegError(
            f"{library}: this part of dfaseg cannot be loaded ({error}); "
            "install dfaseg with pip, which compiles it"
        ) from error
    address, length = ctypes.c_void_p, ctypes.c_ssize_t
    loaded.dfaseg_average.restype = None
    loaded.dfaseg_average.argtypes = (*(address, length) * 2, *(length,) * 6, address)
    return loaded


def has_avx2() -> bool:
    """Ask NumPy, which looks for what its own loops can use, under a name of its own since 2.4."""
    config = np.show_config(mode="dicts")
    assert config is not None  # it is for a mode that prints
    features = config["SIMD Extensions"]
    return not {"AVX2", "X86_V3"}.isdisjoint([*features["baseline"], *features["found"]])
