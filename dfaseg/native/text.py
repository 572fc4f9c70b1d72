"""Vertices of rings written as JSON."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from dfaseg.native.library import load

OPENS, CLOSES, IS_LAST = 1, 2, 4
"""Marks of a vertex that begins a ring, ends one, and ends one after which a line feed comes."""

_BYTES = 8
"""Texts are copied so many bytes at a time."""
_SIGNS = 6
"""Brackets and commas that a vertex can have."""
_LONGEST = 255


@dataclass(frozen=True, slots=True, eq=False)
class CoordinateTexts:
    """How the coordinates 0, 1, ... of an axis are written.

    Attributes:
        texts: Bytes ``(n,)``, filled up with zero bytes to a multiple of eight.
        lengths: How long each is without these, ``(n,)``.
    """

    texts: NDArray[np.bytes_]
    lengths: NDArray[np.uint8]

    @classmethod
    def of(cls, texts: list[str]) -> Self:
        """Take over texts in ASCII.

        Raises:
            ValueError: One is longer than 255 letters.
        """
        longest = max(map(len, texts), default=0)
        if longest > _LONGEST:
            raise ValueError(f"a coordinate of {longest} letters")
        width = max(1, -(-longest // _BYTES)) * _BYTES
        return cls(np.array(texts, f"S{width}"), np.array([len(text) for text in texts], np.uint8))

    def __len__(self) -> int:
        return len(self.texts)

    def followed_by(self, more: Self) -> "CoordinateTexts":
        """Return these and then others."""
        texts = np.concatenate([self.texts, more.texts])
        return CoordinateTexts(texts, np.concatenate([self.lengths, more.lengths]))


def write_vertices(
    vertices: NDArray[np.int32],
    marks: NDArray[np.uint8],
    axes: tuple[CoordinateTexts, CoordinateTexts],
    *,
    repeats_first: bool,
) -> bytes:
    """Write vertices of rings, each ring as ``[[x,y],[x,y]],``, or with a line feed at the end.

    Python's lock is not held meanwhile.

    Args:
        vertices: ``(n, 2)``, (x, y).
        marks: Sums of ``OPENS``, ``CLOSES`` and ``IS_LAST``, ``(n,)``.
        axes: The texts of x and of y.
        repeats_first: Whether the vertex that ends a ring is written, which is also its first.

    Raises:
        ValueError: The arrays do not fit together, or a coordinate has no text.
    """
    vertices, marks = np.ascontiguousarray(vertices), np.ascontiguousarray(marks)
    count = len(vertices)
    if (
        vertices.dtype != np.int32
        or marks.dtype != np.uint8
        or vertices.shape != (count, 2)
        or marks.shape != (count,)
    ):
        raise ValueError(f"marks of shape {marks.shape} for vertices of shape {vertices.shape}")
    out = np.empty(count * (_SIGNS + sum(axis.texts.itemsize for axis in axes)), np.uint8)
    size = np.zeros(1, np.int64)
    load().dfaseg_write_vertices(
        vertices.ctypes.data,
        marks.ctypes.data,
        count,
        int(repeats_first),
        *(
            value
            for axis in axes
            for value in (
                axis.texts.ctypes.data,
                axis.lengths.ctypes.data,
                axis.texts.itemsize,
                len(axis),
            )
        ),
        out.ctypes.data,
        size.ctypes.data,
    )
    if size[0] < 0:
        raise ValueError("a vertex beyond the coordinates that have texts")
    return out[: size[0]].tobytes()
