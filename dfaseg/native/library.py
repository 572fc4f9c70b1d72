"""Loads the library that the installation has compiled from the C beside this file."""

import ctypes
from functools import cache
from pathlib import Path

import numpy as np

from dfaseg.errors import DfasegError

FOLDER = Path(__file__).parent
_ADDRESS, _LENGTH = ctypes.c_void_p, ctypes.c_ssize_t
_CELLS = (_ADDRESS, *(_LENGTH,) * 3, _ADDRESS, *(_LENGTH,) * 3)
_FUNCTIONS = {
    "dfaseg_average_tile": (*(_ADDRESS, _LENGTH) * 2, _ADDRESS),
    "dfaseg_classify": (*_CELLS, *(_ADDRESS,) * 3),
    "dfaseg_connect": (_ADDRESS, _LENGTH, _ADDRESS, _LENGTH, _ADDRESS),
    "dfaseg_count": (_ADDRESS, _LENGTH, _ADDRESS),
    "dfaseg_count_edges": (_ADDRESS, _LENGTH, _LENGTH, _ADDRESS, _ADDRESS),
    "dfaseg_fill": (_ADDRESS, *(_LENGTH,) * 5, *(_ADDRESS,) * 4, *(_LENGTH, _ADDRESS, _LENGTH)),
    "dfaseg_find_edges": (_ADDRESS, *(_LENGTH,) * 2, _ADDRESS, *(_LENGTH,) * 2, *(_ADDRESS,) * 10),
    "dfaseg_halve": (_ADDRESS, *(_LENGTH,) * 3, _ADDRESS),
    "dfaseg_join_tiles": (_ADDRESS,) * 3,
    "dfaseg_label": (*_CELLS, _LENGTH, *(_ADDRESS,) * 3, _LENGTH, *(_ADDRESS,) * 3),
    "dfaseg_order_nodes": (_ADDRESS, _ADDRESS, _LENGTH, *(_ADDRESS,) * 4),
    "dfaseg_scale": (_ADDRESS, _LENGTH, *(_ADDRESS,) * 3),
    "dfaseg_write_vertices": (
        *(_ADDRESS, _ADDRESS, _LENGTH, _LENGTH),
        *(_ADDRESS, _ADDRESS, _LENGTH, _LENGTH) * 2,
        *(_ADDRESS, _ADDRESS),
    ),
}
"""What the library offers, and of what kind the arguments are; nothing is returned."""


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
    for name, arguments in _FUNCTIONS.items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = None, arguments
    return loaded


def has_avx2() -> bool:
    """Ask NumPy, which looks for what its own loops can use, under a name of its own since 2.4."""
    config = np.show_config(mode="dicts")
    assert config is not None  # it is for a mode that prints
    features = config["SIMD Extensions"]
    return not {"AVX2", "X86_V3"}.isdisjoint([*features["baseline"], *features["found"]])
