"""A class mask turned into exact polygons while its rows stream by."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dfaseg.analysed import analysed_pieces
from dfaseg.annotation.gathering import (
    Gathering,
    ParkedRings,
    RingTable,
    gather,
    tabulate_rings,
)
from dfaseg.annotation.joining import join_chains
from dfaseg.annotation.parking import (
    fetch_rings,
    hand_on,
    merge_batches,
    park_long_chains,
    park_rings,
)
from dfaseg.annotation.regions import Polygons, SpooledHoles, SpooledRings, join_polygons
from dfaseg.annotation.rings import vertices_of
from dfaseg.annotation.spool import Piece, Spool
from dfaseg.annotation.strip import Strip, StripCutter
from dfaseg.annotation.tracing import Chains, trace_strip
from dfaseg.annotation.trails import Trails, park_chains
from dfaseg.annotation.unfinished import Batch, Unfinished
from dfaseg.classmap import IGNORE_INDEX
from dfaseg.errors import ConfigError

_MAX_STRIP_PX = 1 << 22
"""Pixels traced at a time, glass left out; bounds memory, and how long other threads may be kept
from Python."""
_LONG_EDGES = 1 << 14
"""Chains with more edges are put in order in the spool, not in memory."""


class Polygonizer:
    """Turns rows of a mask into the polygons of its regions, each as soon as it is finished.

    A region is a 4-connected set of pixels of equal class; pixels of class 255 belong to none.
    Polygons come in the order of their region's last row, then first pixel, and do not depend on
    how the mask is cut into strips. Memory depends on the mask's width, not on its height: borders
    of unfinished regions wait in a spool file.

    Args:
        width: Width of the mask in px.
        spool: File for the borders of unfinished regions; made here, removed by the caller.

    Raises:
        ConfigError: The mask has no column.
        OutputError: The spool cannot be written or read.
    """

    def __init__(self, width: int, *, spool: Path) -> None:
        if width <= 0:
            raise ConfigError(f"mask {width} px wide: it must have at least one column")
        self._width = width
        self._spool = Spool(spool)
        self._next_row = 0
        self._strip = 0
        self._last_row = np.full(width, IGNORE_INDEX, np.uint8)
        self._cutter = StripCutter(width)
        self._unfinished = Unfinished.nothing()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def next_row(self) -> int:
        """The mask row that ``add_rows`` takes next."""
        return self._next_row

    def add_rows(self, mask: NDArray[np.uint8]) -> Polygons:
        """Take the next rows ``(h, width)``; return the polygons of the regions they finish.

        Raises:
            ConfigError: The rows are not of the mask's width.
            OutputError: The spool cannot be written or read.
        """
        if mask.ndim != 2 or mask.shape[1] != self._width or len(mask) == 0:
            raise ConfigError(
                f"mask rows of shape {mask.shape}: must be (h, {self._width}), h at least 1"
            )
        num_analysed = sum(end - first for first, end in analysed_pieces(mask))
        step = max(1, _MAX_STRIP_PX // max(1, num_analysed))
        parts = [self._trace(mask[first : first + step]) for first in range(0, len(mask), step)]
        return join_polygons(parts)

    def finish(self) -> Polygons:
        """Return the polygons of the regions that reach the mask's last row."""
        return self._trace(np.full((1, self._width), IGNORE_INDEX, np.uint8))

    def close(self) -> None:
        """Close the spool; polygons returned before can no longer read holes from it."""
        self._spool.close()

    def state(self) -> dict[str, NDArray[Any]]:
        """Return all that is needed, with the spool, to go on from the next row after a kill."""
        return {
            "next_row": np.array(self._next_row),
            "strip": np.array(self._strip),
            "num_spooled": np.array(self._spool.num_records),
            "last_row": self._last_row,
            **self._unfinished.to_arrays(),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on where ``state`` was taken, with the same spool file.

        Raises:
            ConfigError: The state is that of a mask of another width.
            OutputError: The spool holds less than it did then.
        """
        width = state["last_row"].size
        if width != self._width:
            raise ConfigError(
                f"saved polygons: of a mask {width} px wide, this one has {self._width}; start anew"
            )
        self._spool.resume(int(state["num_spooled"]))
        self._next_row = int(state["next_row"])
        self._strip = int(state["strip"])
        self._last_row = state["last_row"].astype(np.uint8)
        self._unfinished = Unfinished.from_arrays(state)

    def _trace(self, rows: NDArray[np.uint8]) -> Polygons:
        strip = self._cutter.cut(self._last_row, rows, self._next_row)
        self._last_row = rows[-1].copy()
        self._next_row += len(rows)
        self._strip += 1
        return Polygons.none() if strip.is_glass else self._trace_strip(strip)

    def _trace_strip(self, strip: Strip) -> Polygons:
        before = self._unfinished
        chains = trace_strip(strip, before.frontier)
        gathering = gather(chains, before, strip)
        trails = park_chains(chains, before.trails, self._spool)
        batches = merge_batches(before.regions, gathering)
        exteriors, others = self._join(chains, trails, gathering, batches)
        is_parked = np.arange(len(gathering)) >= gathering.num_finished
        is_parked[[*batches, *exteriors]] = True
        rings = tabulate_rings(chains, gathering, others, is_parked, self._width + 1)
        for region, batch in park_rings(rings, self._strip, self._spool):
            batches.setdefault(region, []).append(batch)
        polygons = self._finished(rings, gathering, batches, exteriors)
        self._unfinished = hand_on(chains, gathering, trails, batches)
        return polygons

    def _join(
        self,
        chains: Chains,
        trails: Trails,
        gathering: Gathering,
        batches: dict[int, list[Batch]],
    ) -> tuple[dict[int, Piece], list[ParkedRings]]:
        """Read what is now complete from the spool, or put it in order there.

        Returns:
            Where long exteriors lie, by region; the rings that are in memory. The others are added
            to the batches.
        """
        closed = np.flatnonzero(chains.is_old & ~chains.is_open)
        is_long = trails.num_edges[closed] > _LONG_EDGES
        exteriors, holes = park_long_chains(
            closed[is_long], trails, gathering, self._strip, self._spool, self._width + 1
        )
        for region, batch in holes:
            batches.setdefault(region, []).append(batch)
        joined = join_chains(closed[~is_long], trails, gathering, self._spool, self._width + 1)
        parked = fetch_rings(batches, gathering.num_finished, exteriors, self._spool)
        return exteriors, [joined, parked]

    def _finished(
        self,
        rings: RingTable,
        gathering: Gathering,
        batches: Mapping[int, list[Batch]],
        exteriors: Mapping[int, Piece],
    ) -> Polygons:
        count = gathering.num_finished
        bounds = np.zeros(rings.num_held + 1, np.intp)
        np.cumsum(2 * rings.counts[: rings.num_held], out=bounds[1:])
        row, x = np.divmod(gathering.first_key[:count], self._width + 1)
        spooled = {}
        for region in batches.keys() | exteriors.keys():
            if region >= count:
                continue
            holes = SpooledHoles(self._spool, batches.get(region, []))
            spooled[region] = SpooledRings(self._spool, exteriors.get(region), holes)
        return Polygons(
            gathering.class_index[:count],
            gathering.num_pixels[:count],
            np.stack([x, row], axis=1),
            np.searchsorted(rings.region[: rings.num_held], np.arange(count + 1)),
            bounds,
            vertices_of(rings.edges[: rings.num_held_edges]),
            spooled,
        )
