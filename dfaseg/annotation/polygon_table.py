"""Many polygons in little memory: coordinates in a few large arrays, not one object each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import overload

import numpy as np
from numpy.typing import NDArray

_BLOCK_VERTICES = 1 << 17
"""Vertices gathered before they are packed."""

Vertices = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class AnnotatedPolygon:
    """One polygon and what it is said to show; rings are ``(n, 2)``, (x, y), open, level-0 px."""

    class_name: str
    exterior: NDArray[np.float64]
    holes: tuple[NDArray[np.float64], ...] = ()

    @property
    def rings(self) -> tuple[NDArray[np.float64], ...]:
        """Exterior and holes."""
        return (self.exterior, *self.holes)


@dataclass(frozen=True, slots=True, eq=False)
class PolygonBlock:
    """Polygons that follow each other; none is in two blocks.

    Attributes:
        vertices: Of all rings, which are open, ``(n, 2)``, (x, y); in half the bytes where that
            changes nothing.
        ring_bounds: First vertex of each ring and, at the end, the number of vertices.
        first_ring: First ring of each polygon, its exterior, and at the end the number of rings.
        name_numbers: Which name of the table each polygon has.
    """

    vertices: Vertices
    ring_bounds: NDArray[np.int64]
    first_ring: NDArray[np.int64]
    name_numbers: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.name_numbers)

    def rings(self, number: int) -> tuple[NDArray[np.float64], ...]:
        """Return exterior and holes of a polygon."""
        bounds = self.ring_bounds[self.first_ring[number] : self.first_ring[number + 1] + 1]
        return tuple(
            np.asarray(self.vertices[start:end], np.float64)
            for start, end in pairwise(bounds.tolist())
        )

    def boxes(self) -> NDArray[np.float64]:
        """Return left, top, right and bottom of each polygon, ``(n, 4)``."""
        starts = self.ring_bounds[self.first_ring[:-1]]
        low = np.minimum.reduceat(self.vertices, starts, axis=0)
        high = np.maximum.reduceat(self.vertices, starts, axis=0)
        return np.concatenate([low, high], axis=1).astype(np.float64)

    def shifted(self, dx: float, dy: float) -> "PolygonBlock":
        """Return the same polygons at another place."""
        return replace(self, vertices=_pack(np.add(self.vertices, (dx, dy), dtype=np.float64)))


class PolygonTable(Sequence[AnnotatedPolygon]):
    """The polygons of a file, in its order; one is made when it is asked for.

    Args:
        names: Class names, each once.
        blocks: The polygons.
    """

    def __init__(self, names: Sequence[str] = (), blocks: Sequence[PolygonBlock] = ()) -> None:
        self.names = tuple(names)
        self.blocks = tuple(blocks)
        self._starts = np.cumsum([0, *map(len, self.blocks)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    @overload
    def __getitem__(self, number: int) -> AnnotatedPolygon: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[AnnotatedPolygon]: ...
    def __getitem__(self, number: int | slice) -> AnnotatedPolygon | Sequence[AnnotatedPolygon]:
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        place = number + len(self) if number < 0 else number
        if not 0 <= place < len(self):
            raise IndexError(f"polygon {number} of {len(self)}")
        block_number = int(np.searchsorted(self._starts, place, "right")) - 1
        return self._make(self.blocks[block_number], place - int(self._starts[block_number]))

    def __iter__(self) -> Iterator[AnnotatedPolygon]:
        for block in self.blocks:
            for number in range(len(block)):
                yield self._make(block, number)

    @property
    def num_vertices(self) -> int:
        """Number of vertices of all polygons."""
        return sum(len(block.vertices) for block in self.blocks)

    @property
    def name_numbers(self) -> NDArray[np.int32]:
        """Which of ``names`` each polygon has, ``(n,)``."""
        return np.concatenate([np.empty(0, np.int32), *(b.name_numbers for b in self.blocks)])

    def boxes(self) -> NDArray[np.float64]:
        """Return left, top, right and bottom of each polygon in level-0 px, ``(n, 4)``."""
        return np.concatenate([np.empty((0, 4)), *(block.boxes() for block in self.blocks)])

    def count_names(self) -> dict[str, int]:
        """Return how many polygons have each name."""
        counts = np.bincount(self.name_numbers, minlength=len(self.names))
        return dict(zip(self.names, counts.tolist(), strict=True))

    def _make(self, block: PolygonBlock, number: int) -> AnnotatedPolygon:
        exterior, *holes = block.rings(number)
        return AnnotatedPolygon(self.names[block.name_numbers[number]], exterior, tuple(holes))


class PolygonTableBuilder:
    """Gathers polygons one by one."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._names: list[str] = []
        self._blocks: list[PolygonBlock] = []
        self._clear()

    def add(self, polygon: AnnotatedPolygon) -> None:
        """Add a polygon after those that are there."""
        number = self._numbers.setdefault(polygon.class_name, len(self._names))
        if number == len(self._names):
            self._names.append(polygon.class_name)
        self._name_numbers.append(number)
        self._rings.extend(polygon.rings)
        self._first_ring.append(len(self._rings))
        self._num_vertices += sum(map(len, polygon.rings))
        if self._num_vertices >= _BLOCK_VERTICES:
            self._flush()

    def rename(self, name: str, new_name: str) -> None:
        """Give the polygons of a name another one, which may be there already."""
        number = self._numbers.pop(name, None)
        if number is not None:
            self._names[number] = new_name

    def finish(self, origin: tuple[float, float] = (0.0, 0.0)) -> PolygonTable:
        """Return all polygons.

        Args:
            origin: Where their (0, 0) lies on the slide, (x, y) in level-0 px.
        """
        self._flush()
        names = tuple(dict.fromkeys(self._names))
        numbers = np.array([names.index(name) for name in self._names], np.int32)
        for place, block in enumerate(self._blocks):  # one by one: twice the memory for one only
            moved = block if origin == (0.0, 0.0) else block.shifted(*origin)
            self._blocks[place] = replace(moved, name_numbers=numbers[block.name_numbers])
        return PolygonTable(names, self._blocks)

    def _flush(self) -> None:
        if self._name_numbers:
            block = PolygonBlock(
                _pack(np.concatenate(self._rings)),
                np.cumsum([0, *map(len, self._rings)], dtype=np.int64),
                np.array(self._first_ring, np.int64),
                np.array(self._name_numbers, np.int32),
            )
            self._blocks.append(block)
        self._clear()

    def _clear(self) -> None:
        self._rings: list[NDArray[np.float64]] = []
        self._first_ring = [0]
        self._name_numbers: list[int] = []
        self._num_vertices = 0


def make_table(polygons: Sequence[AnnotatedPolygon]) -> PolygonTable:
    """Return polygons in compact form."""
    builder = PolygonTableBuilder()
    for polygon in polygons:
        builder.add(polygon)
    return builder.finish()


def _pack(vertices: NDArray[np.float64]) -> Vertices:
    """Return vertices in half the bytes where that changes nothing, as with whole pixels."""
    packed = vertices.astype(np.float32)
    return packed if np.array_equal(packed, vertices) else vertices
