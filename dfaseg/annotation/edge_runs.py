"""The edges of polygons, cut into runs that span few rows each."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation.label_frame import LabelFrame
from dfaseg.annotation.polygon_table import PolygonBlock, PolygonTable
from dfaseg.annotation.row_index import RowIndex

_RUN_EDGES = 256
"""Edges that are placed and filled together. Most polygons of people have fewer."""

Points = NDArray[np.float64]
_Kind = TypeVar("_Kind", np.int32, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class _BlockRuns:
    """Runs of one block: edges from vertex ``first`` to before ``end``, the last one to ``after``.

    All arrays have one entry per run.
    """

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
        table: The polygons.
        frame: The label's pixels.
    """

    def __init__(self, table: PolygonTable, frame: LabelFrame) -> None:
        self._table, self._frame = table, frame
        blocks = [_cut_block(block, frame) for block in table.blocks]
        offsets = np.cumsum([0, *map(len, table.blocks)])
        sizes = [len(runs.first) for runs in blocks]
        self._block = np.repeat(np.arange(len(blocks), dtype=np.int32), sizes)
        self._polygon = _joined(
            [runs.polygon + np.int32(at) for runs, at in zip(blocks, offsets, strict=False)],
            np.int32,
        )
        self._first = _joined([runs.first for runs in blocks], np.int64)
        self._end = _joined([runs.end for runs in blocks], np.int64)
        self._after = _joined([runs.after for runs in blocks], np.int64)
        self._index = RowIndex(
            _joined([runs.top for runs in blocks], np.int32),
            _joined([runs.bottom for runs in blocks], np.int32),
            frame.height,
        )

    def touching(self, top: int, bottom: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the runs that touch some rows, and the polygon of each, both rising."""
        runs = self._index.touching(top, bottom)
        return runs, self._polygon[runs]

    def edges(self, runs: NDArray[np.int32]) -> tuple[Points, Points]:
        """Return where the edges of runs begin and end, each ``(n, 2)``, (x, y), in label px.

        Args:
            runs: Of one polygon, at least one.
        """
        vertices = self._table.blocks[self._block[runs[0]]].vertices
        starts, ends = [], []
        for first, end, after in zip(
            self._first[runs].tolist(),
            self._end[runs].tolist(),
            self._after[runs].tolist(),
            strict=True,
        ):
            starts.append(vertices[first:end])
            ends += [vertices[first + 1 : end], vertices[after : after + 1]]
        return self._frame.place(np.concatenate(starts)), self._frame.place(np.concatenate(ends))


def _cut_block(block: PolygonBlock, frame: LabelFrame) -> _BlockRuns:
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
    ring_polygon = np.repeat(np.arange(len(block), dtype=np.int32), np.diff(block.first_ring))
    return _BlockRuns(
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


def _joined(parts: list[NDArray[_Kind]], kind: type[_Kind]) -> NDArray[_Kind]:
    return np.concatenate([np.empty(0, kind), *parts])
