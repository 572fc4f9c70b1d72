"""How near `dfaseg predict` comes to this machine's limit, for any slide and model.

    python -m tests.benchmark.predict SLIDE [--mpp UM] [--model FILE] [--repeat N]

Each figure is taken in a process of its own:

* decode alone: core-seconds to decode the native tiles that the run needs, nothing else;
* network alone: core-seconds to send as many patches, already in memory, through the network;
* whole run: from opening the slide to the last file closed, and the peak memory of its process.

The limit is (decode + network) / cores: what the run would take if nothing else cost anything and
no core were ever idle. The ratio of the whole run to it is the figure to compare; seconds depend on
the machine and on what else it does.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

Figures = dict[str, float]

WARM_UP_BATCHES = 5
"""Enough for a network to have settled on its fastest way."""


def measure_decode(arguments: argparse.Namespace) -> Figures:
    """Decode every native tile that the run needs, on all cores."""
    from dfaseg.tiler.stream import PatchStream

    slide, _, job = _prepared(arguments)
    with closing(slide):
        stream = PatchStream(
            slide, job.plan, job.grid, job.selected, batch_size=1, num_workers=job.num_workers
        )
        rows, cols = stream.needed_native_tiles().nonzero()
        level = job.plan.level
        before = _cpu_seconds()
        with ThreadPoolExecutor(job.num_workers) as executor:
            # Pixels are dropped at once, as in a run, where they are copied on.
            for _ in executor.map(
                lambda col, row: slide.read_tile(level, col, row) is None,
                cols.tolist(),
                rows.tolist(),
            ):
                pass
        seconds = _cpu_seconds() - before
    info = slide.info.levels[level]
    return {
        "core_seconds": seconds,
        "tiles": float(len(rows)),
        "mpx": len(rows) * info.tile_width * info.tile_height / 1e6,
    }


def measure_network(arguments: argparse.Namespace) -> Figures:
    """Send patches that are already in memory through the network, on all cores."""
    import torch

    from dfaseg.limits import available_cores

    slide, network, job = _prepared(arguments)
    with closing(slide):
        side, batch_size = job.grid.patch_px, job.batch_size
        patches = torch.randint(0, 256, (batch_size, side, side, 3), dtype=torch.uint8)
        patches = patches.to(network.device)
        num_batches = -(-job.num_tiles // batch_size)
        timed = min(num_batches, arguments.batches)
        for _ in range(WARM_UP_BATCHES):
            network.logits(patches)
        started = time.perf_counter()
        for _ in range(timed):
            network.logits(patches).cpu()
        per_patch = (time.perf_counter() - started) / (timed * batch_size)
    seconds = per_patch * job.num_tiles * available_cores()
    return {"core_seconds": seconds, "patches": float(job.num_tiles), "patch_px": float(side)}


def measure_whole(arguments: argparse.Namespace) -> Figures:
    """Run predict, and watch the memory of this process."""
    from dfaseg.inference.pipeline import predict_slide
    from dfaseg.inference.spec import PredictSpec

    with tempfile.TemporaryDirectory() as folder:
        spec = PredictSpec(
            slide=arguments.slide,
            out=Path(folder) / "mask.zarr",
            model=arguments.model,
            mpp=arguments.mpp,
            tissue=arguments.tissue,
        )
        before, started = _cpu_seconds(), time.perf_counter()
        result = predict_slide(spec)
        seconds = time.perf_counter() - started
        cpu_seconds = _cpu_seconds() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "peak_bytes": float(peak),
        "polygons": float(result.num_polygons),
    }


MEASURES: dict[str, Callable[[argparse.Namespace], Figures]] = {
    "decode": measure_decode,
    "network": measure_network,
    "whole": measure_whole,
}


def main() -> None:
    """Measure and print."""
    from dfaseg.limits import available_cores, share_cores

    share_cores()
    arguments = _parsed()
    if arguments.only:
        print(json.dumps(MEASURES[arguments.only](arguments)))
        return
    cores = available_cores()
    print(f"{arguments.slide}: {cores} cores")
    for _ in range(arguments.repeat):
        figures = {name: _in_own_process(name) for name in MEASURES}
        decode, network, whole = figures["decode"], figures["network"], figures["whole"]
        limit = (decode["core_seconds"] + network["core_seconds"]) / cores
        network_mpx = network["patches"] * network["patch_px"] ** 2 / 1e6
        print(
            f"decode alone   {decode['core_seconds']:8.2f} core-s  "
            f"({decode['mpx'] / decode['core_seconds']:.0f} Mpx/s per core)\n"
            f"network alone  {network['core_seconds']:8.2f} core-s  "
            f"({network_mpx / network['core_seconds']:.1f} Mpx/s per core)\n"
            f"limit          {limit:8.2f} s\n"
            f"whole run      {whole['seconds']:8.2f} s       "
            f"({whole['cpu_seconds']:.2f} core-s, {whole['polygons']:.0f} polygons)\n"
            f"ratio          {whole['seconds'] / limit:8.2f}\n"
            f"peak memory    {whole['peak_bytes'] / 1e6:8.0f} MB"
        )


def _prepared(arguments: argparse.Namespace) -> tuple[Any, Any, Any]:
    """Open slide and network and plan the run, as predict does."""
    from dfaseg.inference.job import prepare_job
    from dfaseg.inference.pipeline import open_any_slide
    from dfaseg.inference.spec import PredictSpec
    from dfaseg.limits import available_cores
    from dfaseg.model.network import load_network
    from dfaseg.model.resolve import resolve_model

    spec = PredictSpec(
        slide=arguments.slide,
        out=Path("unused.zarr"),
        model=arguments.model,
        mpp=arguments.mpp,
        tissue=arguments.tissue,
    )
    network = load_network(resolve_model(spec.model), cores=available_cores())
    slide = open_any_slide(spec)
    return slide, network, prepare_job(slide, network, spec)


def _in_own_process(measure: str) -> Figures:
    """Take one measure in a fresh interpreter, so that none warms or fattens another."""
    command = [sys.executable, "-m", "tests.benchmark.predict", *sys.argv[1:], "--only", measure]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("slide")
    parser.add_argument("--mpp", type=float)
    parser.add_argument("--model")
    parser.add_argument("--tissue", default="auto")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--batches", type=int, default=12, help="batches timed for the network")
    parser.add_argument("--only", choices=list(MEASURES), help="take one measure, print JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
