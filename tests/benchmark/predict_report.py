"""What the figures of a run and of its parts say, for a person."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from tests.benchmark.processes import Figures

Measured = dict[str, Figures]
"""Figures by measure; those of copies and kernels are empty without a GPU."""


def medians(rounds: Sequence[Measured]) -> Measured:
    """Return the median of each figure: on a shared machine a part may be slow by chance."""
    return {
        name: {figure: median(each[name][figure] for each in rounds) for figure in figures}
        for name, figures in rounds[0].items()
    }


def report(measured: Measured, cores: int) -> str:
    """Return the lines about one slide."""
    lines = _decoding(measured, cores) + _network(measured, cores)
    lines += _ratios_on_gpu(measured) if measured["copy"] else _ratios_on_cpu(measured, cores)
    whole = measured["whole"]
    lines.append(f"peak memory    {whole['peak_bytes'] / 1e6:8.0f} MB")
    if "device_peak_bytes" in whole:
        lines.append(f"device memory  {whole['device_peak_bytes'] / 1e6:8.0f} MB")
    return "\n".join(lines)


def _decoding(measured: Measured, cores: int) -> list[str]:
    decode, full = measured["decode"], measured["full"]
    return [
        f"decode alone   {decode['core_seconds']:8.2f} core-s  "
        f"({decode['mpx'] / decode['core_seconds']:.0f} Mpx/s per core, at "
        f"1/{decode['reduction']:.0f} of each side; {decode['seconds']:.2f} s by the clock on "
        f"{cores} cores)",
        f"full decode    {full['core_seconds']:8.2f} core-s  "
        f"({full['mpx'] / full['core_seconds']:.0f} Mpx/s per core; {full['seconds']:.2f} s by the "
        "clock)",
    ]


def _network(measured: Measured, cores: int) -> list[str]:
    network, copy = measured["network"], measured["copy"]
    mpx = network["patches"] * network["patch_px"] ** 2 / 1e6
    if not copy:
        return [
            f"network alone  {network['core_seconds']:8.2f} core-s  "
            f"({mpx / network['core_seconds']:.1f} Mpx/s per core; {network['seconds']:.2f} s by "
            f"the clock on {cores} cores)"
        ]
    return [
        f"network alone  {network['seconds']:8.2f} s of the device  "
        f"({mpx / network['seconds']:.0f} Mpx/s of patches, {network['batch_size']:.0f} at a time)",
        f"copy alone     {copy['seconds']:8.2f} s of the device  "
        f"({copy['bytes'] / copy['seconds'] / 1e9:.1f} GB/s from pinned memory)",
    ]


def _ratios_on_cpu(measured: Measured, cores: int) -> list[str]:
    decode, full, network, whole = (
        measured[name]["core_seconds"] for name in ("decode", "full", "network", "whole")
    )
    seconds, least, most = measured["whole"]["seconds"], decode + network, full + network
    return [
        f"limit          {least / cores:8.2f} s",
        _whole(measured),
        f"ratio          {seconds * cores / least:8.2f}         "
        f"({seconds * cores / most:.2f} with full decoding in the limit)",
        f"of core-s      {whole / least:8.2f}         ({whole / most:.2f} with full decoding)",
    ]


def _ratios_on_gpu(measured: Measured) -> list[str]:
    busy, seconds = measured["busy"], measured["whole"]["seconds"]
    names = ("decode", "network", "copy")
    slowest = max(names, key=lambda name: measured[name]["seconds"])
    least = measured[slowest]["seconds"]
    loop = busy["loop_seconds"]
    return [
        f"limit          {least:8.2f} s       (the slowest of the three, {slowest})",
        _whole(measured),
        f"ratio          {seconds / least:8.2f}",
        f"device busy    {busy['kernel_seconds'] / loop:8.0%}         "
        f"({busy['kernel_seconds']:.2f} s of kernels in a loop of {loop:.2f} s; from the first "
        f"kernel to the last {busy['kernel_seconds'] / busy['kernel_window_seconds']:.0%})",
    ]


def _whole(measured: Measured) -> str:
    whole = measured["whole"]
    return (
        f"whole run      {whole['seconds']:8.2f} s       "
        f"({whole['core_seconds']:.2f} core-s, {whole['polygons']:.0f} polygons)"
    )


def report_growth(records: list[dict[str, Any]]) -> str:
    """Return a table of how seconds and memory grow with the slide, beside the first one's."""
    lines = ["slide (px)             area     seconds        core-s        peak memory"]
    first = records[0]
    for record in records:
        mine, least = record["measured"]["whole"], first["measured"]["whole"]
        area = record["width"] * record["height"] / (first["width"] * first["height"])
        parts = [f"{record['width']} x {record['height']}".ljust(18), f"{area:6.1f} x"]
        for name, unit in (("seconds", 1), ("core_seconds", 1), ("peak_bytes", 1e6)):
            parts.append(f"{mine[name] / unit:8.1f} ({mine[name] / least[name]:.2f} x)")
        lines.append("  ".join(parts))
    return "\n".join(lines)
