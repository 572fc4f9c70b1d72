"""Exact area averaging of a slide's native tiles, each by itself.

Each mask pixel is the mean of exactly what it covers. The native tiles of a row, a strip, are
averaged in any order and by several threads at once, each while its pixels are still in the core's
cache. Of a mask pixel that an edge of a tile cuts, each tile leaves its part of the sum; they are
added up when all tiles of the strip are there. Sums are exact, and therefore the same however a
slide is cut and whoever is first.
"""

import ctypes
import math
from threading import local

import numpy as np
from numpy.typing import NDArray

from dfaseg.geometry import NativeAxis
from dfaseg.mapped_memory import mapped_array
from dfaseg.native.library import load

MAX_NUMERATOR = 2**20
"""Largest numerator of a scale with which all sums are exact."""
_COLOURS = 3
_BLOCK = 32
"""Sums that are made at a time; what average.c has too."""


class _Strip(ctypes.Structure):
    """What ``strip`` is in average.c."""

    _fields_ = (
        *((f"{name}_{axis}", ctypes.c_ssize_t) for axis in "xy" for name in ("covered", "count")),
        ("width", ctypes.c_ssize_t),
        ("height", ctypes.c_ssize_t),
        ("tile_width", ctypes.c_ssize_t),
        ("num_tiles", ctypes.c_ssize_t),
        ("source_width", ctypes.c_ssize_t),
        ("top", ctypes.c_ssize_t),
        ("bottom", ctypes.c_ssize_t),
        ("result", ctypes.c_void_p),
        ("stride", ctypes.c_ssize_t),
        ("cut_rows", ctypes.c_void_p),
        ("seams", ctypes.c_void_p),
    )


class _Scratch(local):
    """What each thread averages a tile in, the same memory every time."""

    _memory = np.empty(0)
    _address = 0

    def address_of(self, size: int) -> int:
        """Return where there is room for as many numbers of double precision."""
        if len(self._memory) < size:
            self._memory = np.empty(size)
            self._address = self._memory.ctypes.data
        return self._address


_scratch = _Scratch()


class CutRow:
    """Sums of the mask row that the bottom of a strip cuts, for the next strip.

    Args:
        across: The horizontal axis.
    """

    def __init__(self, across: NativeAxis) -> None:
        self.sums = mapped_array((across.length, _COLOURS), np.float64)


class StripMean:
    """Mask rows made of one row of native tiles after another; its memory serves again.

    Args:
        across: How the mask frame lies over native tiles, horizontally.
        down: The same, vertically.

    Raises:
        ValueError: A scale's numerator is above ``MAX_NUMERATOR``.
    """

    def __init__(self, across: NativeAxis, down: NativeAxis) -> None:
        if max(across.scale.numerator, down.scale.numerator) > MAX_NUMERATOR:
            raise ValueError(f"scales {across.scale} × {down.scale}: cannot be averaged exactly")
        self._across, self._down = across, down
        # Of every tile, for these are asked for it again and again.
        self._widths = [len(across.source_of(col)) for col in range(across.num_tiles)]
        self._scratch_sizes = [
            _scratch_size(across, col, width) for col, width in enumerate(self._widths)
        ]
        self._rows_shape, *shapes = _shapes(across, down)
        self._cut_rows, self._seams = (mapped_array(shape, np.float64) for shape in shapes)

    def begin(self, strip: int) -> None:
        """Make room for the rows of a strip; they are kept as long as somebody wants them."""
        self._strip = strip
        self._result = mapped_array(self._rows_shape, np.uint8)
        self._is_there = np.zeros(self._across.num_tiles, np.uint8)
        source = self._down.source_of(strip)
        self._height = len(source)
        scales = self._across.scale, self._down.scale
        self._fields = _Strip(
            *(number for scale in scales for number in scale.as_integer_ratio()),
            self._across.length,
            self._down.length,
            self._across.tile_px,
            self._across.num_tiles,
            self._across.source_px,
            source.start,
            source.stop,
            self._result.ctypes.data,
            self._result.strides[0],
            self._cut_rows.ctypes.data,
            self._seams.ctypes.data,
        )
        self._address = ctypes.addressof(self._fields)

    def shape_of(self, col: int) -> tuple[int, int, int]:
        """Return the shape that a native tile of the strip must have, ``(h, w, 3)``."""
        return self._height, self._widths[col], 3

    def add(self, col: int, pixels: NDArray[np.uint8]) -> None:
        """Average a native tile of the strip. Python's lock is not held meanwhile.

        Args:
            col: Its column.
            pixels: RGB, of the shape that ``shape_of`` returns; rows may lie apart, the pixels of a
                row may not.

        Raises:
            ValueError: The pixels are not of this shape.
        """
        shape = self.shape_of(col)
        if pixels.dtype != np.uint8 or pixels.shape != shape or pixels.strides[1:] != (3, 1):
            raise ValueError(f"pixels of shape {pixels.shape} cannot be averaged as {shape}")
        scratch = _scratch.address_of(self._scratch_sizes[col])
        load().dfaseg_average_tile(
            self._address, col, pixels.ctypes.data, pixels.strides[0], scratch
        )
        self._is_there[col] = True

    def join(self, cut: CutRow) -> tuple[int, NDArray[np.uint8]]:
        """Add up what edges cut, once all tiles of the strip that are wanted have been added.

        Args:
            cut: What the strip above has left of the row that lies in both; of a row that the
                bottom of this one cuts, it then holds the sums.

        Returns:
            The first mask row that ends in the strip, and the rows, RGB ``(n, width, 3)``. Pixels
            that cover a part of a tile that was not added mean nothing.
        """
        load().dfaseg_join_tiles(
            self._address,
            self._is_there.ctypes.data,
            cut.sums.ctypes.data,
        )
        rows = self._down.completed(self._strip)
        return rows.start, self._result[: len(rows)]


def strip_bytes(across: NativeAxis, down: NativeAxis) -> int:
    """Return what a ``StripMean`` and the rows that it makes take."""
    rows, *sums = map(math.prod, _shapes(across, down))
    return rows + sum(sums) * np.dtype(np.float64).itemsize


def _shapes(across: NativeAxis, down: NativeAxis) -> tuple[tuple[int, ...], ...]:
    """Return the shapes of a strip's rows, and of the sums of rows and columns that edges cut."""
    rows = down.most_touched, across.length, 3
    if across.scale == down.scale == 1:
        return rows, (0, _COLOURS), (0, _COLOURS)
    return rows, (2, across.length, _COLOURS), (across.num_tiles, 2, down.most_touched, _COLOURS)


def _scratch_size(across: NativeAxis, col: int, width: int) -> int:
    """Return how many numbers of double precision average.c needs room for, beside a tile."""
    covered, count = across.scale.as_integer_ratio()
    most_taps = (covered + 2 * count - 2) // count
    pairs, cols = (most_taps + 1) // 2, len(across.touched(col))
    weights, totals = 2 * pairs * cols, _COLOURS * cols + 1
    sums = _COLOURS * (width + 2 * pairs) + _BLOCK
    return weights + totals + -(-(cols + sums) // 2)
