"""The polygons of finished regions."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import overload

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation.rings import vertices_of
from dfaseg.annotation.spool import Spool
from dfaseg.annotation.unfinished import Batch


@dataclass(frozen=True, slots=True, eq=False)
class RegionPolygon:
    """The exact outline of one 4-connected region of equal class, along pixel edges.

    Rings are int32 vertices ``(n, 2)``, (x, y) in mask pixels, open (the first vertex is not
    repeated), without collinear vertices, and simple; they may touch each other at points only.
    The exterior runs right along its top, holes run left along theirs.
    """

    class_index: int
    exterior: NDArray[np.int32]
    holes: Collection[NDArray[np.int32]]
    """Inner rings; those of a region that spans strips are read from disk while iterating, which
    must happen before the polygonizer is closed."""
    num_pixels: int
    """Pixels of the region, which is the area of the polygon."""
    first_pixel: tuple[int, int]
    """(x, y) of the topmost, then leftmost pixel."""


class SpooledHoles(Collection[NDArray[np.int32]]):
    """Holes in the order of ``RingTable``, read from the spool one strip at a time."""

    def __init__(
        self, spool: Spool, batches: Sequence[Batch], recent: Sequence[NDArray[np.int32]]
    ) -> None:
        self._spool = spool
        self._batches = sorted(batches)
        self._recent = recent

    def __len__(self) -> int:
        return sum(batch.num_rings for batch in self._batches) + len(self._recent)

    def __contains__(self, ring: object) -> bool:
        return any(np.array_equal(hole, np.asarray(ring)) for hole in self)

    def __iter__(self) -> Iterator[NDArray[np.int32]]:
        for _, batches in groupby(self._batches, key=attrgetter("strip")):
            yield from self._read_strip(list(batches))
        yield from self._recent

    def _read_strip(self, batches: Sequence[Batch]) -> Iterator[NDArray[np.int32]]:
        headers = self._spool.read([(batch.first_header, batch.num_rings) for batch in batches])
        ends = np.cumsum(headers[:, 3])
        last_rings = np.cumsum([batch.num_rings for batch in batches]) - 1
        counts = np.diff(ends[last_rings], prepend=0).tolist()
        firsts = [batch.first_edge for batch in batches]
        edges = self._spool.read(list(zip(firsts, counts, strict=True)))
        # Regions that met below this strip have its rings in several batches.
        for ring in np.lexsort((headers[:, 2], headers[:, 1], headers[:, 0])):
            yield vertices_of(edges[ends[ring] - headers[ring, 3] : ends[ring]])


@dataclass(frozen=True, slots=True, eq=False)
class Polygons(Sequence[RegionPolygon]):
    """Polygons of finished regions, in flat arrays so that many small ones cost little."""

    class_index: NDArray[np.uint8]
    num_pixels: NDArray[np.int64]
    first_pixel: NDArray[np.int64]
    """``(n, 2)``, (x, y)."""
    first_ring: NDArray[np.intp]
    """``(n + 1,)``: where each polygon's rings begin, exterior first."""
    ring_bounds: NDArray[np.intp]
    """``(rings + 1,)``: where each ring begins in ``vertices``."""
    vertices: NDArray[np.int32]
    """``(m, 2)``, (x, y), ring after ring; each ring is open."""
    more_holes: Mapping[int, SpooledHoles] = field(default_factory=dict)
    """All holes of the polygons that have some in the spool."""

    def __len__(self) -> int:
        return self.class_index.size

    @overload
    def __getitem__(self, index: int) -> RegionPolygon: ...
    @overload
    def __getitem__(self, index: slice) -> list[RegionPolygon]: ...
    def __getitem__(self, index: int | slice) -> RegionPolygon | list[RegionPolygon]:
        """Return one polygon or a list of them."""
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = range(len(self))[index]
        first, end = self.first_ring[number : number + 2].tolist()
        x, y = self.first_pixel[number].tolist()
        return RegionPolygon(
            int(self.class_index[number]),
            self.ring(first),
            self.more_holes.get(number) or tuple(self.ring(hole) for hole in range(first + 1, end)),
            int(self.num_pixels[number]),
            (x, y),
        )

    def ring(self, number: int) -> NDArray[np.int32]:
        """Return the vertices ``(n, 2)`` of one ring."""
        return self.vertices[self.ring_bounds[number] : self.ring_bounds[number + 1]]


def join_polygons(parts: Sequence[Polygons]) -> Polygons:
    """Return the polygons of several sets as one."""
    if len(parts) == 1:
        return parts[0]
    polygons, rings, vertices = 0, 0, 0
    first_ring, ring_bounds = [np.zeros(1, np.intp)], [np.zeros(1, np.intp)]
    more_holes: dict[int, SpooledHoles] = {}
    for part in parts:
        first_ring.append(part.first_ring[1:] + rings)
        ring_bounds.append(part.ring_bounds[1:] + vertices)
        more_holes |= {number + polygons: holes for number, holes in part.more_holes.items()}
        polygons += len(part)
        rings += part.ring_bounds.size - 1
        vertices += len(part.vertices)
    return Polygons(
        np.concatenate([part.class_index for part in parts]),
        np.concatenate([part.num_pixels for part in parts]),
        np.concatenate([part.first_pixel for part in parts]),
        np.concatenate(first_ring),
        np.concatenate(ring_bounds),
        np.concatenate([part.vertices for part in parts]),
        more_holes,
    )
