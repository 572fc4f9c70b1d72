"""The two pictures of the synthetic study: what the data look like, and what delta did."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from dfaseg.datasets.synthetic import INFO, SyntheticSpec, read_synthetic

NAMES = INFO.class_map.names
COLOURS = [entry.hex_colour for entry in INFO.class_map]
DISEASES = range(1, len(NAMES))
SHOWN = ("dfa-4", "dfa-20", "dfa-100", "cold-20", "loud-dfa-20")
"""Variants whose delta is drawn, as far as there are runs of them."""


def draw_examples(path: Path, count: int = 5) -> None:
    """Draw training images above their labels."""
    palette = np.array([entry.colour for entry in INFO.class_map], np.uint8)
    examples = [example.read() for example in read_synthetic(SyntheticSpec()).train[:count]]
    figure = Figure(figsize=(2 * count, 4.3), layout="constrained")
    axes = figure.subplots(2, count)
    for column, (image, label) in enumerate(examples):
        axes[0, column].imshow(image, interpolation="bicubic")
        axes[1, column].imshow(palette[label], interpolation="nearest")
    for axis in axes.flat:
        axis.set_axis_off()
    handles = [Patch(color=c, label=n) for n, c in zip(NAMES, COLOURS, strict=True)]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(NAMES), frameon=False)
    figure.savefig(path, dpi=110)


def draw_results(
    path: Path, runs: Sequence[dict[str, Any]], probes: Sequence[dict[str, Any]]
) -> None:
    """Draw baseline Dice, final delta of each run, the pushes on b, and what changing b does."""
    figure = Figure(figsize=(11, 7.6), layout="constrained")
    axes = figure.subplots(2, 2)
    _draw_baseline(axes[0, 0], [run for run in runs if run["variant"] == "none"])
    _draw_delta(axes[0, 1], runs)
    _draw_push(axes[1, 0], [run for run in runs if run["variant"] == "none"])
    _draw_nudges(axes[1, 1], probes)
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def _draw_baseline(axis: Axes, runs: Sequence[dict[str, Any]]) -> None:
    for run in runs:
        axis.scatter(DISEASES, run["test_dice"][1:], c=COLOURS[1:], s=36)
    _label_diseases(axis)
    axis.set(title="Baseline (no bias): what is hard", ylabel="test Dice", ylim=(0.5, 1))


def _draw_delta(axis: Axes, runs: Sequence[dict[str, Any]]) -> None:
    variants = [name for name in SHOWN if any(run["variant"] == name for run in runs)]
    for place, variant in enumerate(variants):
        for run in runs:
            if run["variant"] == variant:
                offsets = place + (np.array(DISEASES) - 2.5) * 0.17
                axis.scatter(offsets, run["delta"][1:], c=COLOURS[1:], s=26)
    axis.axhline(0, color="0.6", lw=0.8)
    axis.set_xticks(range(len(variants)), variants)
    axis.set_yscale("symlog", linthresh=1)
    axis.set_ylim(-20, 20)
    axis.set(title="Final delta of every seed (colours as left)", ylabel="delta, centred")


def _draw_push(axis: Axes, runs: Sequence[dict[str, Any]]) -> None:
    for run in runs:
        push, noise = (np.array(run[key])[1:] * 1e4 for key in ("push", "noise"))
        places = np.array(DISEASES) + 0.12 * (run["seed"] - 1.0)
        axis.errorbar(places, push, noise, fmt="none", ecolor="0.75", lw=1)
        axis.scatter(places, push, c=COLOURS[1:], s=30, zorder=3)
    axis.axhline(0, color="0.6", lw=0.8)
    _label_diseases(axis)
    axis.set(
        title="Push of the loss on b (mean ± sd over steps)",
        ylabel="-dL/db per step, ten-thousandths",
    )


def _draw_nudges(axis: Axes, probes: Sequence[dict[str, Any]]) -> None:
    variants = list(dict.fromkeys(record["variant"] for record in probes))
    for place, variant in enumerate(variants):
        own = [record for record in probes if record["variant"] == variant]
        for offset, size in ((-0.15, 1.0), (0.15, 3.0)):
            changes = [
                max(100 * nudge["pixels_changed"], 1e-3)
                for record in own
                for nudge in record["nudge"]
                if abs(nudge["step"]) == size
            ]
            shade = "0.65" if size == 1 else "0.25"
            label = f"b of one class by {size:g}" if place == 0 else None
            spots = place + offset + np.linspace(-0.08, 0.08, len(changes))
            axis.scatter(spots, changes, s=10, c=shade, label=label)
    axis.set_yscale("log")
    axis.set_xticks(range(len(variants)), variants, fontsize=8)
    axis.set(title="Changing b in trained networks", ylabel="pixels that change class, %")
    axis.legend(frameon=False)


def _label_diseases(axis: Axes) -> None:
    axis.set_xticks(DISEASES, [NAMES[index].replace(" ", "\n") for index in DISEASES])
