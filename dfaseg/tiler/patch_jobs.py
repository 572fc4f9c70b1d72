"""Work on each patch of a slide, done in the very threads that decode it."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from dfaseg.geometry import Rect, Tile
from dfaseg.tiler.tile_rows import TileRow, TileRows
from dfaseg.tiler.unscaled_rows import are_unscaled, unscaled_rows

MOST_TURN_PX = 2**23
"""Pixels of the patches that a thread does at a turn, at most: what neighbours share, such as a
label that is drawn for all of them, is made once, and there are few turns to hand over."""
JOBS_AHEAD = 3
"""Turns per thread that may wait; more would only hold memory."""

Result = TypeVar("Result")
PatchJob = Callable[[Tile, NDArray[np.uint8] | None], Result]
"""From a tile and its RGB pixels, ``(patch_px, patch_px, 3)``, white outside the slide, to what is
made of it. The pixels are None where some of them cannot be decoded; they are overwritten once the
job returns."""
TurnJob = Callable[[Sequence[Tile]], PatchJob[Result]]
"""From the tiles that one thread does one after the other, from left to right in one row of the
grid, to the job on each of them: what several need can be made at once."""


class PatchRow(Protocol):
    """The selected tiles of one row of the grid, whose pixels can be had."""

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """Their places, from left to right; at least one."""
        ...

    def cut(self, tile: Tile, patch: NDArray[np.uint8]) -> bool:
        """Write the pixels of a tile to ``patch``; tell whether all could be decoded."""
        ...


@dataclass(frozen=True, slots=True)
class _StripRow:
    """Tiles that are cut from decoded strips."""

    row: TileRow
    unreadable: tuple[Rect, ...]

    @property
    def tiles(self) -> tuple[Tile, ...]:
        return self.row.tiles

    def cut(self, tile: Tile, patch: NDArray[np.uint8]) -> bool:
        self.row.cut(tile, patch)
        return not any(tile.mask_rect.intersection(one).area for one in self.unreadable)


def do_patches(
    rows: TileRows, job: TurnJob[Result], *, num_workers: int
) -> Generator[Result, None, None]:
    """Read the tiles of a slide, do a job on each, and yield the results in grid order.

    One set of threads decodes, resamples, cuts and does the jobs, so that none waits for another
    while there is work, and a patch is still in its core's cache when its job begins. Where
    pixels need not be shrunk, native tiles are decoded right before the first job that needs them.
    Leaving the iteration, even early, ends the threads.

    Args:
        rows: The tiles.
        job: Called from several threads at once.
        num_workers: How many threads.

    Raises:
        SlideError: The slide failed in a way that is not bound to single tiles.
    """
    pending: deque[Future[list[Result]]] = deque()
    with (
        ThreadPoolExecutor(num_workers, thread_name_prefix="patches") as executor,
        closing(_patch_rows(rows, executor, num_workers)) as patch_rows,
    ):
        try:
            for row in patch_rows:
                for tiles in _turns(row.tiles, rows.grid.patch_px, num_workers):
                    while len(pending) >= JOBS_AHEAD * num_workers:
                        yield from pending.popleft().result()
                    pending.append(executor.submit(_do_turn, row, tiles, job))
            while pending:
                yield from pending.popleft().result()
        finally:
            for turn in pending:
                turn.cancel()


def _patch_rows(
    rows: TileRows, executor: Executor, num_workers: int
) -> Generator[PatchRow, None, None]:
    if are_unscaled(rows):
        yield from unscaled_rows(rows)
        return
    for row in rows.read(executor, num_workers):
        yield _StripRow(row, rows.unreadable.below(row.tiles[0].mask_rect.y))


def _turns(
    tiles: Sequence[Tile], patch_px: int, num_workers: int
) -> Generator[Sequence[Tile], None, None]:
    """Divide the tiles of a row among the threads: rows do not all come at once."""
    share = -(-len(tiles) // num_workers)
    count = max(1, min(share, MOST_TURN_PX // patch_px**2))
    for first in range(0, len(tiles), count):
        yield tiles[first : first + count]


def _do_turn(row: PatchRow, tiles: Sequence[Tile], job: TurnJob[Result]) -> list[Result]:
    """Cut some patches of a row one after the other and do the job on each."""
    rect = tiles[0].mask_rect
    patch = np.empty((rect.height, rect.width, 3), np.uint8)
    do = job(tiles)
    return [do(tile, patch if row.cut(tile, patch) else None) for tile in tiles]
