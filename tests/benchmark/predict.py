"""How near `dfaseg predict` comes to this machine's limit, for any slide and model.

    python -m tests.benchmark.predict SLIDE [--mpp UM] [--model FILE] [--decode HOW] [--repeat N]

Each figure is taken in a process of its own:

* decode alone: core-seconds to decode the native tiles that the run needs, nothing else, each at
  the size at which the run decodes it (see --decode of predict);
* full decode: the same at all pixels, where that is not the same;
* network alone: core-seconds to send as many patches, already in memory, through the network;
* whole run: from opening the slide to the last file closed, and the peak memory of its process.

The limit is (decode + network) / cores: what the run would take if nothing else cost anything and
no core were ever idle. It counts decoding as the run does it, which makes it the stricter one; the
ratio to the limit with full decoding is printed as well. Both ratios are of seconds, and hold on an
idle machine only. The ratio of core-seconds, the whole run's to those of decode and network, says
what else costs anything, and holds on a busy one too.
"""

import argparse
import dataclasses
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
    """Decode every native tile that the run needs, as the run does it, on all cores."""
    slide, _, job = _prepared(arguments)
    return _decoding(slide, job, job.plan)


def measure_full_decode(arguments: argparse.Namespace) -> Figures:
    """Decode all pixels of the same tiles."""
    slide, _, job = _prepared(arguments)
    return _decoding(slide, job, dataclasses.replace(job.plan, reduction=1))


def _decoding(slide: Any, job: Any, plan: Any) -> Figures:
    from dfaseg.tiler.needed import needed_native_tiles
    from dfaseg.tiler.rows import tile_reader

    with closing(slide):
        read_tile = tile_reader(slide, plan)
        level = slide.info.levels[job.plan.level]
        rows, cols = needed_native_tiles(level, job.plan, job.grid, job.selected).nonzero()
        before = _cpu_seconds()
        with ThreadPoolExecutor(job.num_workers) as executor:
            # Pixels are dropped at once, as in a run, where they are copied on.
            for _ in executor.map(
                lambda col, row: read_tile(col, row) is None,
                cols.tolist(),
                rows.tolist(),
            ):
                pass
        seconds = _cpu_seconds() - before
    info = slide.info.levels[plan.level]
    return {
        "core_seconds": seconds,
        "reduction": float(plan.reduction),
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
        started, before = time.perf_counter(), _cpu_seconds()
        for _ in range(timed):
            network.logits(patches).cpu()
        share = job.num_tiles / (timed * batch_size)
        clock = (time.perf_counter() - started) * share * available_cores()
        spent = (_cpu_seconds() - before) * share
    return {
        # What a device computes is not in the process's own seconds.
        "core_seconds": spent if network.device.type == "cpu" else clock,
        "clock_core_seconds": clock,
        "patches": float(job.num_tiles),
        "patch_px": float(side),
    }


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
            decode=arguments.decode,
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
    "full": measure_full_decode,
    "network": measure_network,
    "whole": measure_whole,
}


def main() -> None:
    """Measure and print."""
    from dfaseg.allocator import bound_arenas
    from dfaseg.limits import available_cores, share_cores

    share_cores()
    bound_arenas(available_cores())
    arguments = _parsed()
    if arguments.only:
        print(json.dumps(MEASURES[arguments.only](arguments)))
        return
    cores = available_cores()
    print(f"{arguments.slide}: {cores} cores")
    for _ in range(arguments.repeat):
        figures = {name: _in_own_process(name) for name in MEASURES}
        _report(figures, cores)


def _report(figures: dict[str, Figures], cores: int) -> None:
    decode, full, network, whole = (
        figures[name] for name in ("decode", "full", "network", "whole")
    )
    least = decode["core_seconds"] + network["core_seconds"]
    least_full = full["core_seconds"] + network["core_seconds"]
    network_mpx = network["patches"] * network["patch_px"] ** 2 / 1e6
    print(
        f"decode alone   {decode['core_seconds']:8.2f} core-s  "
        f"({decode['mpx'] / decode['core_seconds']:.0f} Mpx/s per core, "
        f"at 1/{decode['reduction']:.0f} of each side)\n"
        f"full decode    {full['core_seconds']:8.2f} core-s  "
        f"({full['mpx'] / full['core_seconds']:.0f} Mpx/s per core)\n"
        f"network alone  {network['core_seconds']:8.2f} core-s  "
        f"({network_mpx / network['core_seconds']:.1f} Mpx/s per core, by the clock "
        f"{network['clock_core_seconds']:.2f} core-s)\n"
        f"limit          {least / cores:8.2f} s\n"
        f"whole run      {whole['seconds']:8.2f} s       "
        f"({whole['cpu_seconds']:.2f} core-s, {whole['polygons']:.0f} polygons)\n"
        f"ratio          {whole['seconds'] * cores / least:8.2f}         "
        f"({whole['seconds'] * cores / least_full:.2f} with full decoding in the limit)\n"
        f"of core-s      {whole['cpu_seconds'] / least:8.2f}         "
        f"({whole['cpu_seconds'] / least_full:.2f} with full decoding)\n"
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
        decode=arguments.decode,
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
    parser.add_argument("--decode", choices=["auto", "full", "fast"], default="auto")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--batches", type=int, default=12, help="batches timed for the network")
    parser.add_argument("--only", choices=list(MEASURES), help="take one measure, print JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
