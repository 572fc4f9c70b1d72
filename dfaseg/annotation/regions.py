"""The polygons of finished regions."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Self, overload

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation.ring_blocks import (
    BLOCK_VERTICES,
    RingBlock,
    close_rings,
    cut_ring,
    cut_rings,
    group_rings,
)
from dfaseg.annotation.rings import vertices_of
from dfaseg.annotation.spool import Piece, Spool
from dfaseg.annotation.unfinished import Batch

_RINGS_AT_ONCE = 1 << 11
"""Rings looked up in the spool at a time, if the strip that closed them has no more."""


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
    """Holes in the order of ``RingTable``, read from the spool some at a time."""

    def __init__(self, spool: Spool, batches: Sequence[Batch]) -> None:
        self._spool = spool
        self._batches = sorted(batches)

    def __len__(self) -> int:
        return sum(batch.num_rings for batch in self._batches)

    def __contains__(self, ring: object) -> bool:
        return any(np.array_equal(hole, np.asarray(ring)) for hole in self)

    def __iter__(self) -> Iterator[NDArray[np.int32]]:
        for firsts, counts in self._find_rings():
            for piece in zip(firsts.tolist(), counts.tolist(), strict=True):
                yield vertices_of(self._spool.read([piece]))

    def blocks(self) -> Iterator[RingBlock]:
        """Yield the holes in blocks, in memory bounded by one strip's headers."""
        for firsts, counts in self._find_rings():
            bounds = np.zeros(counts.size + 1, np.intp)
            np.cumsum(2 * counts, out=bounds[1:])
            for first, end in group_rings(bounds):
                if bounds[end] - bounds[first] > BLOCK_VERTICES:
                    yield from spooled_ring(self._spool, (int(firsts[first]), int(counts[first])))
                else:
                    edges = self._spool.read(_join_pieces(firsts[first:end], counts[first:end]))
                    yield close_rings(vertices_of(edges), bounds[first : end + 1] - bounds[first])

    def _find_rings(self) -> Iterator[tuple[NDArray[np.intp], NDArray[np.int32]]]:
        """Yield where rings begin in the spool and how many edges they have, in order."""
        for group in _group_strips(self._batches):
            _, first_header, num_rings, first_edge, _ = np.array(group, np.intp).T
            pieces = zip(first_header.tolist(), num_rings.tolist(), strict=True)
            headers = self._spool.read(list(pieces))
            counts = headers[:, 3]
            before = np.cumsum(counts) - counts
            of_batch = before[np.cumsum(num_rings) - num_rings]
            firsts = before + np.repeat(first_edge - of_batch, num_rings)
            # Regions that met below a strip have its rings in several batches.
            order = np.lexsort((headers[:, 2], headers[:, 1], headers[:, 0]))
            yield firsts[order], counts[order]


def _group_strips(batches: Sequence[Batch]) -> Iterator[list[Batch]]:
    """Yield the batches of whole strips, some strips together while they have few rings."""
    group: list[Batch] = []
    num_rings = 0
    for _, batches_of_strip in groupby(batches, key=attrgetter("strip")):
        of_strip = list(batches_of_strip)
        group += of_strip
        num_rings += sum(batch.num_rings for batch in of_strip)
        if num_rings >= _RINGS_AT_ONCE:
            yield group
            group, num_rings = [], 0
    if group:
        yield group


def _join_pieces(firsts: NDArray[np.intp], counts: NDArray[np.int32]) -> list[Piece]:
    """Return the pieces of the spool that hold some rings, joined where they follow each other."""
    ends = firsts + counts
    starts = np.flatnonzero(np.append(True, firsts[1:] != ends[:-1]))
    lasts = np.append(starts[1:], firsts.size) - 1
    begins = firsts[starts]
    return list(zip(begins.tolist(), (ends[lasts] - begins).tolist(), strict=True))


def spooled_ring(spool: Spool, ring: Piece) -> Iterator[RingBlock]:
    """Yield a ring that lies in one piece of the spool in blocks."""
    first, count = ring
    step = max(1, BLOCK_VERTICES // 2)
    starts = range(first, first + count, step)
    parts = (spool.read([(start, min(step, first + count - start))]) for start in starts)
    return cut_ring(vertices_of(part) for part in parts)


@dataclass(frozen=True, slots=True)
class SpooledRings:
    """The rings of one polygon that are in the spool."""

    spool: Spool
    exterior: Piece | None
    """None where it is in memory; else no ring is."""
    holes: SpooledHoles
    """All holes."""

    def blocks(self) -> Iterator[RingBlock]:
        """Yield the rings in order."""
        if self.exterior:
            yield from spooled_ring(self.spool, self.exterior)
        yield from self.holes.blocks()


@dataclass(frozen=True, slots=True, eq=False)
class Polygons(Sequence[RegionPolygon]):
    """Polygons of finished regions, in flat arrays so that many small ones cost little."""

    class_index: NDArray[np.uint8]
    num_pixels: NDArray[np.int64]
    first_pixel: NDArray[np.int64]
    """``(n, 2)``, (x, y)."""
    first_ring: NDArray[np.intp]
    """``(n + 1,)``: where the rings of each polygon that are in memory begin, exterior first."""
    ring_bounds: NDArray[np.intp]
    """``(rings + 1,)``: where each ring begins in ``vertices``."""
    vertices: NDArray[np.int32]
    """``(m, 2)``, (x, y), ring after ring; each ring is open."""
    spooled: Mapping[int, SpooledRings] = field(default_factory=dict)
    """Polygons with rings in the spool: all their holes, and perhaps their exterior."""

    @classmethod
    def none(cls) -> Self:
        """Return no polygons."""
        number = np.empty(0, np.int64)
        pairs = np.empty((0, 2), np.int64)
        bounds = np.zeros(1, np.intp)
        return cls(number.astype(np.uint8), number, pairs, bounds, bounds, pairs.astype(np.int32))

    def __len__(self) -> int:
        return self.class_index.size

    @overload
    def __getitem__(self, index: int) -> RegionPolygon: ...
    @overload
    def __getitem__(self, index: slice) -> list[RegionPolygon]: ...
    def __getitem__(self, index: int | slice) -> RegionPolygon | list[RegionPolygon]:
        """Return one polygon or a list of them; exteriors are read into memory."""
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = range(len(self))[index]
        first, end = self.first_ring[number : number + 2].tolist()
        rings = [self._ring(ring) for ring in range(first, end)]
        holes: Collection[NDArray[np.int32]] = tuple(rings[1:])
        if spooled := self.spooled.get(number):
            holes = spooled.holes
            if spooled.exterior:
                rings = [vertices_of(spooled.spool.read([spooled.exterior]))]
        x, y = self.first_pixel[number].tolist()
        return RegionPolygon(
            int(self.class_index[number]), rings[0], holes, int(self.num_pixels[number]), (x, y)
        )

    def blocks(self, number: int) -> Iterator[RingBlock]:
        """Yield all rings of one polygon in blocks."""
        first, end = self.first_ring[number : number + 2].tolist()
        bounds = self.ring_bounds[first : end + 1]
        yield from cut_rings(self.vertices[bounds[0] : bounds[-1]], bounds - bounds[0])
        if spooled := self.spooled.get(number):
            yield from spooled.blocks()

    def _ring(self, number: int) -> NDArray[np.int32]:
        return self.vertices[self.ring_bounds[number] : self.ring_bounds[number + 1]]


def join_polygons(parts: Sequence[Polygons]) -> Polygons:
    """Return the polygons of several sets as one."""
    if len(parts) == 1:
        return parts[0]
    polygons, rings, vertices = 0, 0, 0
    first_ring, ring_bounds = [np.zeros(1, np.intp)], [np.zeros(1, np.intp)]
    spooled: dict[int, SpooledRings] = {}
    for part in parts:
        first_ring.append(part.first_ring[1:] + rings)
        ring_bounds.append(part.ring_bounds[1:] + vertices)
        spooled |= {number + polygons: rings for number, rings in part.spooled.items()}
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
        spooled,
    )
