"""How much memory a slide will take, and settings with which it fits into what the job may take.

What the process holds when a slide is opened is known; what comes on top is estimated, term by
term, from the sizes of all that the run allocates. Only what the network's own operations take is
not known from numbers of ours: one chunk of patches is run, and what that took is counted for each
chunk that runs at the same time.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product

import torch

from dfaseg.errors import ConfigError
from dfaseg.geometry import TileGrid
from dfaseg.inference.memory_terms import Terms, Workload, estimate_terms
from dfaseg.inference.spec import PredictSpec
from dfaseg.limits import available_memory_bytes, peak_memory_bytes, resident_memory_bytes
from dfaseg.model.network import Network
from dfaseg.slide.slide import SlideInfo
from dfaseg.tiler.plan import ReadPlan
from dfaseg.tiler.strips import MOST_AHEAD

PLENTY_BYTES = 8_000_000_000
"""Left beside everything else, this is more than a chunk takes in any network known here on a few
cores, and it is not worth a forward pass to find out by how much."""
_LOOK_SECONDS = 0.001
_FLOAT = 4
_measured: dict[tuple[str, ...], int] = {}
"""Bytes of a network's chunk, by what they depend on."""
_least_resident: list[int] = []
"""What the process held before its first run. What later slides find is that of the run before,
which they will use again, or of the one under way, which will be over."""


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """What a run is expected to take.

    Attributes:
        limit_bytes: What the process may hold in all.
        resident_bytes: What it held before its first run.
        terms: What comes on top, by what it is for.
        workload: Settings that this is for.
    """

    limit_bytes: int
    resident_bytes: int
    terms: Terms
    workload: Workload

    @property
    def estimate_bytes(self) -> int:
        """What the process will hold at most."""
        return self.resident_bytes + sum(self.terms.values())


def fit_to_memory(  # what a run is made of
    info: SlideInfo,
    plan: ReadPlan,
    grid: TileGrid,
    network: Network,
    spec: PredictSpec,
    *,
    batch_size: int,
    num_workers: int,
) -> MemoryPlan:
    """Choose batch size and threads with which a slide fits into memory.

    Settings that the user has named stay as they are. Of the others, batches become smaller first,
    down to one chunk, then fewer strips are decoded ahead, then threads become fewer.

    Args:
        info: Facts about the slide.
        plan: How it is read.
        grid: Tiles over the plan's mask frame.
        network: The loaded network.
        spec: What is asked for.
        batch_size: Patches per batch that would be best.
        num_workers: Threads that would be best.

    Raises:
        ConfigError: Nothing fits; the message says what to change.
    """
    resident = _resident_before_runs()
    limit = spec.limit_memory_bytes or resident_memory_bytes() + available_memory_bytes()
    _refuse_huge_patches(info, network, grid, limit)
    chunk = network.chunk_size(grid.patch_px, grid.patch_px) or 1
    batches = [batch_size] if spec.batch_size else list(_halvings(batch_size, chunk))
    workers = [num_workers] if spec.workers else list(_halvings(num_workers, 1))
    smallest = None
    for num, ahead, size in product(workers, range(MOST_AHEAD, -1, -1), batches):
        workload = Workload(size, num, ahead)
        terms = estimate_terms(info, plan, grid, network, workload)
        is_tight = limit - resident - sum(terms.values()) < PLENTY_BYTES
        if spec.limit_memory_bytes or is_tight:
            terms = terms | {"network": _network_bytes(network, grid.patch_px)}
        smallest = MemoryPlan(limit, resident, terms, workload)
        if smallest.estimate_bytes <= limit:
            return smallest
    assert smallest is not None
    raise ConfigError(_refusal(info, smallest, spec))


def _resident_before_runs() -> int:
    _least_resident[:] = [min([*_least_resident, resident_memory_bytes()])]
    return _least_resident[0]


def _halvings(most: int, least: int) -> Iterator[int]:
    """Yield a number, its half, and so on down to the least, all but the first in whole leasts."""
    yield most
    while most > least:
        most = max(least, most // 2 // least * least)
        yield most


def _refusal(info: SlideInfo, plan: MemoryPlan, spec: PredictSpec) -> str:
    """Say that a slide does not fit, and what to do."""
    needed, limit = plan.estimate_bytes / 1e9, plan.limit_bytes / 1e9
    source = "--limit-memory" if spec.limit_memory_bytes else "what the job has left"
    named = [
        option
        for option, value in (("--batch-size", spec.batch_size), ("--workers", spec.workers))
        if value and value > 1
    ]
    smaller = " or ".join([f"a smaller {option}" for option in named] or ["a smaller --patch-size"])
    return (
        f"slide '{info.slide_id}': needs about {needed:.1f} GB of memory with batches of "
        f"{plan.workload.batch_size} and {plan.workload.num_workers} workers, but {limit:.1f} GB "
        f"are allowed ({source}); use {smaller}, or give the job more and pass --limit-memory "
        f"{needed + 0.1:.1f}"
    )


def _refuse_huge_patches(info: SlideInfo, network: Network, grid: TileGrid, limit: int) -> None:
    """Refuse patches whose pixels alone do not fit, rather than run one to find out the rest.

    Raises:
        ConfigError: They do not.
    """
    if network.device.type != "cpu":
        return
    # As bytes are made numbers, and these are scaled.
    needed = 2 * 3 * _FLOAT * grid.patch_px**2 * network.useful_batch
    if needed > limit:
        raise ConfigError(
            f"slide '{info.slide_id}': a patch of {grid.patch_px} px needs more than "
            f"{needed / 1e9:.1f} GB of memory, but {limit / 1e9:.1f} GB are allowed; use a "
            "smaller --patch-size"
        )


def _network_bytes(network: Network, patch_px: int) -> int:
    """Return what the network's operations take, for all chunks that run at the same time."""
    key = (network.sha256, str(network.device), str(network.precision), str(patch_px))
    if key not in _measured:
        size = network.chunk_size(patch_px, patch_px) or 1
        patches = torch.zeros((size, patch_px, patch_px, 3), dtype=torch.uint8)
        on_device = patches.to(network.device)
        _measured[key] = _growth(lambda: network.try_out(on_device))
    return _measured[key] * network.useful_batch


def _growth(action: Callable[[], object]) -> int:
    """Return by how much the process grows while it does something, in bytes."""
    before, peak_before = resident_memory_bytes(), peak_memory_bytes()
    with _watched_memory() as seen:
        action()
    # The system's own peak misses nothing, but says nothing where an earlier one was higher.
    peak = peak_memory_bytes()
    highest = max([*seen, *([peak] if peak > peak_before else [])])
    return max(0, highest - before)


@contextmanager
def _watched_memory() -> Iterator[list[int]]:
    """Note the largest resident size, again and again, from a thread of its own."""
    seen = [resident_memory_bytes()]
    end = threading.Event()

    def watch() -> None:
        while not end.wait(_LOOK_SECONDS):
            seen[0] = max(seen[0], resident_memory_bytes())

    thread = threading.Thread(target=watch, name="memory")
    thread.start()
    try:
        yield seen
    finally:
        end.set()
        thread.join()
        seen[0] = max(seen[0], resident_memory_bytes())
