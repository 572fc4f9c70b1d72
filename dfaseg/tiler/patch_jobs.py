"""Work on each patch of a slide, done in the very threads that decode it."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from dfaseg.geometry import Rect, Tile
from dfaseg.tiler.tile_rows import TileRow, TileRows

JOB_PX = 2**20
"""Pixels of the patches that a thread does at a turn: enough to be worth handing over."""
JOBS_AHEAD = 3
"""Turns per thread that may wait; more would only hold memory."""

Result = TypeVar("Result")
PatchJob = Callable[[Tile, NDArray[np.uint8] | None], Result]
"""From a tile and its RGB pixels, ``(patch_px, patch_px, 3)``, white outside the slide, to what is
made of it. The pixels are None where some of them cannot be decoded; they are overwritten once the
job returns."""


def do_patches(
    rows: TileRows, job: PatchJob[Result], *, num_workers: int
) -> Generator[Result, None, None]:
    """Read the tiles of a slide, do a job on each, and yield the results in grid order.

    One set of threads decodes, resamples, cuts and does the jobs, so that none waits for another
    while there is work, and a patch is still in its core's cache when its job begins. Leaving the
    iteration, even early, ends the threads.

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
        closing(rows.read(executor, num_workers)) as tile_rows,
    ):
        try:
            for row in tile_rows:
                bad = rows.unreadable.below(row.tiles[0].mask_rect.y)
                for tiles in _turns(row, rows.grid.patch_px):
                    while len(pending) >= JOBS_AHEAD * num_workers:
                        yield from pending.popleft().result()
                    pending.append(executor.submit(_do_turn, row, tiles, bad, job))
            while pending:
                yield from pending.popleft().result()
        finally:
            for turn in pending:
                turn.cancel()


def _turns(row: TileRow, patch_px: int) -> Generator[Sequence[Tile], None, None]:
    count = max(1, JOB_PX // patch_px**2)
    for first in range(0, len(row.tiles), count):
        yield row.tiles[first : first + count]


def _do_turn(
    row: TileRow, tiles: Sequence[Tile], unreadable: Sequence[Rect], job: PatchJob[Result]
) -> list[Result]:
    """Cut some patches of a row one after the other and do the job on each."""
    rect = tiles[0].mask_rect
    patch = np.empty((rect.height, rect.width, 3), np.uint8)
    results = []
    for tile in tiles:
        if any(tile.mask_rect.intersection(one).area for one in unreadable):
            results.append(job(tile, None))
        else:
            row.cut(tile, patch)
            results.append(job(tile, patch))
    return results
