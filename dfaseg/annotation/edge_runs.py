"""The edges of polygons, cut into runs that span few rows each."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation.label_frame import LabelFrame
from dfaseg.annotation.polygon_table import PolygonBlock, PolygonTable, Vertices
from dfaseg.annotation.row_index import RowIndex

_RUN_EDGES = 256
"""Edges that are placed and filled together. Most polygons of people have fewer."""

Points = NDArray[np.float64]
_Kind = TypeVar("_Kind", np.int32, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class _Runs:
    """Edges from vertex ``first`` to before ``end`` of a block, the last edge to ``after``.

    All arrays have one entry per run.
    """

    block: NDArray[np.int32]
    polygon: NDArray[np.int32]
    first: NDArray[np.int64]
    end: NDArray[np.int64]
    after: NDArray[np.int64]
    top: NDArray[np.int32]
    bottom: NDArray[np.int32]


class EdgeRuns:
    """Finds the edges of polygons that cross some rows of a label.

    Edges are placed in the label when they are asked for, always in the same way, so that labels
    do not depend on the parts they are read in.

    Args:
        vertices: Those of each block.
        runs: Runs of all blocks, in the order of their polygons.
        frame: The label's pixels.
    """

    def __init__(self, vertices: Sequence[Vertices], runs: _Runs, frame: LabelFrame) -> None:
        self._vertices, self._runs, self._frame = vertices, runs, frame
        self._index = RowIndex(runs.top, runs.bottom, frame.height)

    @classmethod
    def of(cls, table: PolygonTable, frame: LabelFrame) -> Self:
        """Return the edges of all polygons of a table."""
        offsets = np.cumsum([0, *map(len, table.blocks)]).tolist()
        numbered = enumerate(zip(table.blocks, offsets, strict=False))
        runs = [_cut_block(block, number, at, frame) for number, (block, at) in numbered]
        return cls([block.vertices for block in table.blocks], _joined(runs), frame)

    def within(self, top: int, bottom: int) -> tuple[Self, NDArray[np.int32]]:
        """Return only the edges that touch some rows, without what else is in memory.

        Returns:
            The edges, whose polygons are numbered anew, and the numbers that these had.
        """
        found, polygon = self.touching(top, bottom)
        kept, renumbered = np.unique(polygon, return_inverse=True)
        old = self._runs
        # Of each run its vertices, then the one that its last edge leads to.
        pieces = [*chain.from_iterable(self._pieces(found))]
        bounds = np.cumsum([0, *map(len, pieces)], dtype=np.int64)
        runs = _Runs(
            np.zeros(len(found), np.int32),
            renumbered.astype(np.int32),
            *(bounds[:-1:2], bounds[1::2], bounds[1::2]),
            old.top[found],
            old.bottom[found],
        )
        vertices: Vertices = np.concatenate([np.empty((0, 2), np.float32), *pieces])
        return type(self)([vertices], runs, self._frame), kept

    def touching(self, top: int, bottom: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the runs that touch some rows, and the polygon of each, both rising."""
        runs = self._index.touching(top, bottom)
        return runs, self._runs.polygon[runs]

    def edges(self, runs: NDArray[np.int32]) -> tuple[Points, Points, NDArray[np.int64]]:
        """Return where the edges of runs begin and end, and how many each run has.

        Args:
            runs: At least one.

        Returns:
            Places ``(n, 2)``, (x, y), in label px, run by run; counts, one per run.
        """
        pieces = [*chain.from_iterable(self._pieces(runs))]
        points = self._frame.place(np.concatenate(pieces))
        bounds = np.cumsum([0, *map(len, pieces)])
        is_edge = np.ones(len(points) - 1, np.bool_)
        # None leads from the end of a run to the next one.
        is_edge[bounds[2:-1:2] - 1] = False
        counts = bounds[1::2] - bounds[:-1:2]
        return points[:-1][is_edge], points[1:][is_edge], counts

    def _pieces(self, runs: NDArray[np.int32]) -> Iterator[tuple[Vertices, Vertices]]:
        """Yield where the edges of each run begin, and where the last of them ends."""
        every = self._runs
        for block, first, end, after in zip(
            every.block[runs].tolist(),
            every.first[runs].tolist(),
            every.end[runs].tolist(),
            every.after[runs].tolist(),
            strict=True,
        ):
            vertices = self._vertices[block]
            yield vertices[first:end], vertices[after : after + 1]


def _cut_block(block: PolygonBlock, number: int, first_polygon: int, frame: LabelFrame) -> _Runs:
    """Cut the edges of a block of a table, given its number and that of its first polygon."""
    ring_first = block.ring_bounds[:-1]
    lengths = np.diff(block.ring_bounds)
    counts = -(-lengths // _RUN_EDGES)
    ring = np.repeat(np.arange(counts.size), counts)
    nth = np.arange(ring.size) - np.repeat(np.cumsum(counts) - counts, counts)
    first = ring_first[ring] + nth * _RUN_EDGES
    end = np.minimum(first + _RUN_EDGES, block.ring_bounds[ring + 1])
    is_last = end == block.ring_bounds[ring + 1]
    after = np.where(is_last, ring_first[ring], end)
    y = (block.vertices[:, 1].astype(np.float64) - frame.corner_y) / frame.scale_y
    low = np.minimum(np.minimum.reduceat(y, first), y[after])
    high = np.maximum(np.maximum.reduceat(y, first), y[after])
    polygon = np.arange(first_polygon, first_polygon + len(block), dtype=np.int32)
    ring_polygon = np.repeat(polygon, np.diff(block.first_ring))
    return _Runs(
        np.full(ring.size, number, np.int32),
        ring_polygon[ring],
        first,
        end,
        after,
        _whole(np.floor(low), frame.height),
        _whole(np.ceil(high), frame.height),
    )


def _whole(rows: Points, height: int) -> NDArray[np.int32]:
    """Return rows as whole numbers; those far outside need not be told apart."""
    return np.clip(rows, -1, height + 1).astype(np.int32)


def _joined(blocks: Sequence[_Runs]) -> _Runs:
    def join(parts: Iterable[NDArray[_Kind]], kind: type[_Kind]) -> NDArray[_Kind]:
        return np.concatenate([np.empty(0, kind), *parts])

    return _Runs(
        join((runs.block for runs in blocks), np.int32),
        join((runs.polygon for runs in blocks), np.int32),
        join((runs.first for runs in blocks), np.int64),
        join((runs.end for runs in blocks), np.int64),
        join((runs.after for runs in blocks), np.int64),
        join((runs.top for runs in blocks), np.int32),
        join((runs.bottom for runs in blocks), np.int32),
    )
