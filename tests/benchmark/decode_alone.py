"""Decoding native tiles and nothing else, on all cores, in processes that never wait."""

import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from typing import Any

from tests.benchmark.processes import cpu_seconds

TILES_PER_TASK = 64

Place = tuple[int, int]
"""Column and row of a native tile."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What each process opens for itself.

    Attributes:
        slide: As predict is given it.
        mpp: The slide's µm per pixel, if its file does not say.
        plan: Level to read, and at which size tiles are decoded.
    """

    slide: str
    mpp: float | None
    plan: Any


class _Own:
    """What a process has open."""

    read_tile: Any


def decode_alone(opening: Opening, places: Sequence[Place], workers: int) -> tuple[float, float]:
    """Decode tiles and drop their pixels.

    Args:
        opening: The slide, and how it is read.
        places: The tiles.
        workers: Number of processes.

    Returns:
        Seconds by the clock, and core-seconds, without the start of the processes.
    """
    tasks = [
        places[first : first + TILES_PER_TASK] for first in range(0, len(places), TILES_PER_TASK)
    ]
    context = multiprocessing.get_context("spawn")
    all_ready = context.Barrier(workers + 1)
    with context.Pool(workers, _open, (opening, all_ready)) as pool:
        all_ready.wait()
        started = time.perf_counter()
        core_seconds = sum(pool.imap_unordered(_decode, tasks))
        return time.perf_counter() - started, core_seconds


def _open(opening: Opening, all_ready: Barrier) -> None:
    from dfaseg.slide import open_slide
    from dfaseg.slide.identity import SAMPLE
    from dfaseg.slide.sample import open_sample
    from dfaseg.tiler.rows import tile_reader

    is_sample = opening.slide == SAMPLE
    slide = open_sample(opening.mpp) if is_sample else open_slide(opening.slide, mpp=opening.mpp)
    _Own.read_tile = staticmethod(tile_reader(slide, opening.plan))
    all_ready.wait()


def _decode(places: Sequence[Place]) -> float:
    """Decode tiles and return the CPU time it took."""
    from dfaseg.errors import ReadError

    before = cpu_seconds()
    for col, row in places:
        try:
            _Own.read_tile(col, row)
        except ReadError:
            continue  # the run tells of it; an unreadable tile costs what it costs
    return cpu_seconds() - before
