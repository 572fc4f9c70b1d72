"""A run as arrays, and how its curves are drawn over the epochs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from dfaseg.figures.placement import label_line_ends
from dfaseg.figures.style import FAINT_INK, ClassStyle, Rgb
from dfaseg.training.runlog import EpochRecord

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Course:
    """A run as arrays, e epochs by k classes.

    Attributes:
        history: One record per epoch.
        styles: How each class is drawn.
        best: The epoch of the highest macro Dice; its weights are kept.
    """

    history: tuple[EpochRecord, ...]
    styles: tuple[ClassStyle, ...]
    best: EpochRecord

    @property
    def epochs(self) -> FloatArray:
        """Epoch numbers, shape ``(e,)``."""
        return np.array([record.epoch for record in self.history], np.float64)

    def values(self, pick: Callable[[EpochRecord], Sequence[float]]) -> FloatArray:
        """Return what ``pick`` takes from each record, shape ``(e, sets, k)``; NaN if missing."""
        num_classes = len(self.styles)
        rows = [list(pick(record)) for record in self.history]
        width = max(map(len, rows)) // num_classes * num_classes
        padded = [row[:width] + [np.nan] * (width - len(row)) for row in rows]
        return np.asarray(padded, np.float64).reshape(len(rows), -1, num_classes)


@dataclass(frozen=True, slots=True)
class NamedCurve:
    """A curve with its name.

    Attributes:
        name: What is written beside its end.
        values: One per epoch, shape ``(e,)``.
        ink: Colour of the name.
    """

    name: str
    values: FloatArray
    ink: Rgb | str


def plot_course(axes: Axes, run: Course, values: FloatArray, **style: Any) -> None:
    """Draw one value per epoch; a run of one epoch as a point.

    Args:
        axes: Where to draw.
        run: The run.
        values: Shape ``(e,)``; NaN leaves a gap.
        style: Keywords of matplotlib's lines.
    """
    marker = "o" if len(run.history) == 1 else None
    axes.plot(run.epochs, values, marker=marker, solid_capstyle="round", **style)


def plot_class(axes: Axes, run: Course, values: FloatArray, style: ClassStyle) -> None:
    """Draw one value per epoch in the style of a class."""
    width = 1.5
    plot_course(
        axes, run, values, color=style.fill, linewidth=width, linestyle=style.dashes,
        path_effects=style.outline(width) if style.dashes == "solid" else None,
    )  # fmt: skip


def plot_sets(axes: Axes, run: Course, values: FloatArray, style: ClassStyle) -> None:
    """Draw the mean over layers or heads, and their range where there are several."""
    plot_class(axes, run, values.mean(axis=1), style)
    if values.shape[1] > 1:
        low, high = values.min(axis=1), values.max(axis=1)
        axes.fill_between(run.epochs, low, high, color=style.fill, alpha=0.12, linewidth=0)


def mark_best(axes: Axes, run: Course) -> None:
    """Draw a dashed line at the best epoch."""
    axes.axvline(run.best.epoch, color=FAINT_INK, linewidth=0.8, linestyle=(0, (3, 2)), zorder=1)


def finish_epochs(axes: Axes, run: Course) -> None:
    """Let the axis of epochs end where the run does, so that names stand beside the curves."""
    first, last = run.epochs[0], run.epochs[-1]
    axes.set_xlim((first, last) if last > first else (first - 1, last + 1))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))


def _last_point(run: Course, values: FloatArray) -> tuple[float, float] | None:
    """Return the last point of a curve; none where it has no point."""
    defined = np.flatnonzero(np.isfinite(values))
    if not defined.size:
        return None
    return float(run.epochs[defined[-1]]), float(values[defined[-1]])


def label_ends(axes: Axes, run: Course, curves: Sequence[NamedCurve]) -> None:
    """Write the name of each curve beside its end; curves without a point get none."""
    ends = [_last_point(run, curve.values) for curve in curves]
    drawn = [(end, curve) for end, curve in zip(ends, curves, strict=True) if end is not None]
    label_line_ends(
        axes,
        [end for end, _ in drawn],
        [curve.name for _, curve in drawn],
        [curve.ink for _, curve in drawn],
    )
