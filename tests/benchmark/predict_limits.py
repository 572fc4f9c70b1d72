"""What `dfaseg predict` cannot do without, each alone: decoding, copying to a GPU, the network."""

import argparse
import dataclasses
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.benchmark.decode_alone import Opening, decode_alone
from tests.benchmark.processes import Figures, cpu_seconds

WARM_UP_BATCHES = 5
"""Enough for a network to have settled on its fastest way."""
IN_FLIGHT = 2
"""Batches that are under way while one is waited for, as in a run."""
COPY_BYTES = 64 * 2**20
"""Copied at a time, as in a run."""


def spec_of(arguments: argparse.Namespace, out: Path) -> Any:
    """Return what predict would be asked to do."""
    from dfaseg.inference.spec import PredictSpec

    return PredictSpec(
        slide=arguments.slide,
        out=out,
        model=arguments.model,
        mpp=arguments.mpp,
        device=arguments.device,
        precision=arguments.precision,
        batch_size=arguments.batch_size,
        workers=arguments.workers,
        tissue=arguments.tissue,
        decode=arguments.decode,
    )


def measure_decode(arguments: argparse.Namespace) -> Figures:
    """Decode every native tile that the run needs, as the run does it, on all cores."""
    slide, _, job = _prepared(arguments)
    return _decoding(arguments, slide, job, job.plan)


def measure_full_decode(arguments: argparse.Namespace) -> Figures:
    """Decode all pixels of the same tiles."""
    slide, _, job = _prepared(arguments)
    return _decoding(arguments, slide, job, dataclasses.replace(job.plan, reduction=1))


def measure_network(arguments: argparse.Namespace) -> Figures:
    """Send patches that are already where they must be through the network."""
    import torch

    slide, network, job = _prepared(arguments)
    slide.close()
    side, batch_size = job.grid.patch_px, job.batch_size
    patches = torch.randint(0, 256, (batch_size, side, side, 3), dtype=torch.uint8)
    patches = patches.to(network.device)
    num_batches = -(-job.num_tiles // batch_size)
    timed = min(num_batches, arguments.batches or num_batches)
    share = job.num_tiles / (timed * batch_size)
    network.expect(10**6, side)  # the limit is what it can do, however few patches the slide has
    _run_network(network, patches, WARM_UP_BATCHES)
    before = cpu_seconds()
    seconds = _seconds_on(network.devices, lambda: _run_network(network, patches, timed))
    return {
        "seconds": seconds * share,
        "core_seconds": (cpu_seconds() - before) * share,
        "patches": float(job.num_tiles),
        "patch_px": float(side),
        "batch_size": float(batch_size),
    }


def measure_copy(arguments: argparse.Namespace) -> Figures:
    """Copy as many bytes as the run decodes from pinned memory to the GPU; nothing on a CPU."""
    import torch

    slide, network, job = _prepared(arguments)
    slide.close()
    if network.device.type == "cpu":
        return {}
    num_bytes = _decoded_bytes(slide, job)
    source = torch.empty(COPY_BYTES, dtype=torch.uint8, pin_memory=True).fill_(1)
    target = torch.empty_like(source, device=network.device)
    times = max(1, round(num_bytes / COPY_BYTES))

    def copy() -> None:
        for _ in range(times):
            target.copy_(source, non_blocking=True)

    target.copy_(source)
    seconds = _seconds_on([network.device], copy)
    return {"seconds": seconds * num_bytes / (times * COPY_BYTES), "bytes": float(num_bytes)}


def _decoding(arguments: argparse.Namespace, slide: Any, job: Any, plan: Any) -> Figures:
    slide.close()
    rows, cols = _needed(slide, job).nonzero()
    places = list(zip(cols.tolist(), rows.tolist(), strict=True))
    opening = Opening(arguments.slide, arguments.mpp, plan)
    seconds, core_seconds = decode_alone(opening, places, job.num_workers)
    level = slide.info.levels[plan.level]
    return {
        "seconds": seconds,
        "core_seconds": core_seconds,
        "reduction": float(plan.reduction),
        "tiles": float(len(places)),
        "mpx": len(places) * level.tile_width * level.tile_height / 1e6,
    }


def _needed(slide: Any, job: Any) -> Any:
    """Tell which native tiles the run needs, ``(tile rows, tile columns)``."""
    from dfaseg.tiler.needed import needed_native_tiles

    return needed_native_tiles(slide.info.levels[job.plan.level], job.plan, job.grid, job.selected)


def _decoded_bytes(slide: Any, job: Any) -> int:
    level = slide.info.levels[job.plan.level].reduced(job.plan.reduction)
    return int(_needed(slide, job).sum()) * level.tile_width * level.tile_height * 3


def _run_network(network: Any, patches: Any, num_batches: int) -> None:
    """Run batches as predict does, some under way at a time."""
    pending: deque[Callable[[], Any]] = deque()
    for _ in range(num_batches):
        pending.append(network.start(patches))
        if len(pending) > IN_FLIGHT:
            pending.popleft()()
    for finish in pending:
        finish()
    network.settle()


def _seconds_on(devices: Sequence[Any], work: Callable[[], None]) -> float:
    """Return how long work takes until the devices have done it."""
    import torch

    def wait() -> None:
        for device in devices:
            if device.type == "cuda":
                torch.cuda.synchronize(device)

    wait()
    started = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - started


def _prepared(arguments: argparse.Namespace) -> tuple[Any, Any, Any]:
    """Open slide and network and plan the run, as predict does."""
    from dfaseg.inference.pipeline import load_network_of, prepare_slide

    spec = spec_of(arguments, Path("unused.zarr"))
    network = load_network_of(spec)
    prepared = prepare_slide(network, spec)
    return prepared.slide, network, prepared.job
