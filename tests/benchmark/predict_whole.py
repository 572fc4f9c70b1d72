"""Whole runs of `dfaseg predict`: their time and memory, and how busy they keep a GPU."""

import argparse
import json
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.benchmark.predict_limits import spec_of
from tests.benchmark.processes import Figures, cpu_seconds, end_side_processes

Span = tuple[float, float]
"""Begin and end of a kernel, in seconds."""


def measure_whole(arguments: argparse.Namespace) -> Figures:
    """Run predict, and watch the memory of this process and of its device."""
    import torch

    from dfaseg.inference.pipeline import predict_slide

    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        before, started = cpu_seconds(), time.perf_counter()
        result = predict_slide(spec_of(arguments, Path(folder) / "mask.zarr"))
        seconds = time.perf_counter() - started
        end_side_processes()
        core_seconds = cpu_seconds() - before
    figures = {
        "seconds": seconds,
        "core_seconds": core_seconds,
        "peak_bytes": float(result.peak_memory_bytes),
        "polygons": float(result.num_polygons),
    }
    if torch.cuda.is_initialized():
        devices = range(torch.cuda.device_count())
        figures["device_peak_bytes"] = float(max(map(torch.cuda.max_memory_reserved, devices)))
    return figures


def measure_busy(arguments: argparse.Namespace) -> Figures:
    """Record a run's kernels: how much of the loop some kernel is running; nothing on a CPU.

    The loop is from the first patch that is asked for to the last label that has left. Recording
    costs time, which is why the run that is timed is another one.
    """
    from dfaseg.inference.pipeline import predict_slide
    from dfaseg.model.device import resolve_devices

    if resolve_devices(arguments.device)[0].type == "cpu":
        return {}
    loops: list[Figures] = []
    with (
        tempfile.TemporaryDirectory(dir=arguments.folder) as folder,
        _recorded_loops(Path(folder) / "trace.json", loops),
    ):
        predict_slide(spec_of(arguments, Path(folder) / "mask.zarr"))
    (figures,) = loops
    return figures


@contextmanager
def _recorded_loops(trace: Path, loops: list[Figures]) -> Iterator[None]:
    """Profile the loop of each run of this process."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    from dfaseg.inference.slide_run import PredictRun

    plain = PredictRun.go

    def recorded(*arguments: Any) -> None:
        with profile(activities=[ProfilerActivity.CUDA]) as recording:
            started = time.perf_counter()
            plain(*arguments)
            torch.cuda.synchronize()
            seconds = time.perf_counter() - started
        recording.export_chrome_trace(str(trace))
        loops.append(busy_figures(spans_of(trace), seconds))

    PredictRun.go = recorded  # type: ignore[method-assign]  # for as long as the block runs
    try:
        yield
    finally:
        PredictRun.go = plain  # type: ignore[method-assign]


def spans_of(trace: Path) -> dict[str, list[Span]]:
    """Return the spans of kernels and of copies that a profile holds."""
    spans: dict[str, list[Span]] = {"kernel": [], "gpu_memcpy": []}
    for event in json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]:
        kind = event.get("cat")
        if kind in spans:
            begin = float(event["ts"]) / 1e6
            spans[kind].append((begin, begin + float(event["dur"]) / 1e6))
    return spans


def busy_figures(spans: dict[str, list[Span]], loop_seconds: float) -> Figures:
    """Return how long kernels and copies ran, counting what overlaps once.

    Args:
        spans: Of kernels, ``kernel``, and of copies, ``gpu_memcpy``.
        loop_seconds: How long the loop took.
    """
    kernels = spans["kernel"]
    window = max(end for _, end in kernels) - min(begin for begin, _ in kernels) if kernels else 0
    return {
        "loop_seconds": loop_seconds,
        "kernel_seconds": covered_seconds(kernels),
        "copy_seconds": covered_seconds(spans["gpu_memcpy"]),
        "kernel_window_seconds": window,
        "kernels": float(len(kernels)),
    }


def covered_seconds(spans: Iterable[Span]) -> float:
    """Return the length of the union of spans."""
    total, reached = 0.0, float("-inf")
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total
