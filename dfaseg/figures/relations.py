"""Figures of what goes with what: frequency, Dice and learned bias, one point per class."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from numpy.typing import NDArray
from scipy import stats

from dfaseg.figures.placement import label_points
from dfaseg.figures.style import FAINT_INK, ClassStyle, plain_number, subtitle

FloatArray = NDArray[np.float64]

_SIZE_IN = (5.2, 4.2)
_MIN_POINTS = 3
"""Fewer points lie on a line whatever they are: no correlation is stated."""
_FEW_DECADES = 500
"""Frequencies that span less than this factor leave room for ticks at 1, 2 and 5."""


def draw_dice_against_frequency(
    styles: Sequence[ClassStyle], frequencies: Sequence[float], dice: Sequence[float], split: str
) -> Figure | None:
    """Draw one point per class: is the rare class the hard one?

    Args:
        styles: How each class is drawn.
        frequencies: Pixel frequency in the training split; classes with 0 are left out.
        dice: Dice; NaN leaves the class out.
        split: Name of the split that Dice is of.

    Returns:
        None if no class has both numbers.
    """
    shares, scores = 100 * np.asarray(frequencies, np.float64), np.asarray(dice, np.float64)
    keep = (shares > 0) & np.isfinite(scores)
    if not keep.any():
        return None
    figure, axes = _scatter_figure()
    axes.set_xscale("log")
    low, high = shares[keep].min(), shares[keep].max()
    axes.set(
        xlim=(low / 2, min(high * 2, 110)),
        ylim=(-0.02, 1.02),
        xlabel="pixel frequency in the training split (%)",
        ylabel=f"Dice on the {split} split",
        title="Pixel frequency and Dice",
    )
    steps = (1, 2, 5) if high / low < _FEW_DECADES else (1,)
    axes.xaxis.set_major_locator(LogLocator(subs=steps))
    axes.xaxis.set_major_formatter(plain_number)
    axes.xaxis.set_minor_locator(NullLocator())
    _state_correlation(axes, np.log10(shares[keep]), scores[keep], "log frequency")
    _draw_points(axes, shares, scores, styles, keep)
    return figure


def draw_bias_against_dice(
    styles: Sequence[ClassStyle], delta: FloatArray, baseline_dice: Sequence[float] | FloatArray
) -> Figure | None:
    """Draw one point per class: does the learned delta follow difficulty?

    Args:
        styles: How each class is drawn.
        delta: Learned bias, shape ``(k,)``; its mean over the classes is taken off.
        baseline_dice: Dice of a run without class bias; NaN leaves the class out.

    Returns:
        None if no class has both numbers.
    """
    scores, centred = np.asarray(baseline_dice, np.float64), delta - delta.mean()
    keep = np.isfinite(scores) & np.isfinite(centred)
    if not keep.any():
        return None
    figure, axes = _scatter_figure()
    axes.axhline(0, color=FAINT_INK, linewidth=0.8)
    reach = 1.35 * max(float(np.abs(centred[keep]).max()), 1e-3)
    axes.set(
        xlim=(-0.02, 1.02),
        ylim=(-reach, reach),
        xlabel="Dice of the baseline (hard to easy)",
        ylabel="learned δ minus its mean",
        title="Difficulty and learned bias",
    )
    if keep.sum() >= _MIN_POINTS and np.ptp(scores[keep]) > 0:
        slope, intercept = np.polyfit(scores[keep], centred[keep], 1)
        ends = np.array([scores[keep].min(), scores[keep].max()])
        axes.plot(
            ends, slope * ends + intercept, color=FAINT_INK, linestyle=(0, (4, 2)), zorder=1.5
        )
    _state_correlation(axes, scores[keep], centred[keep], "Dice")
    _draw_points(axes, scores, centred, styles, keep)
    return figure


def _scatter_figure() -> tuple[Figure, Axes]:
    figure = Figure(figsize=_SIZE_IN, layout="constrained")
    return figure, figure.subplots()


def _draw_points(
    axes: Axes, x: FloatArray, y: FloatArray, styles: Sequence[ClassStyle], keep: NDArray[np.bool_]
) -> None:
    chosen = [int(index) for index in np.flatnonzero(keep)]
    for index in chosen:
        style = styles[index]
        axes.plot(
            x[index], y[index], "o", markersize=7.5, color=style.fill, markeredgecolor=style.edge,
            markeredgewidth=0.9, clip_on=False, zorder=3,
        )  # fmt: skip
    points = [(float(x[index]), float(y[index])) for index in chosen]
    texts = [styles[index].label for index in chosen]
    label_points(axes, points, texts, [styles[index].ink for index in chosen])


def _state_correlation(axes: Axes, x: FloatArray, y: FloatArray, name: str) -> None:
    """Write Pearson's and Spearman's correlation and the number of classes below the title."""
    text = f"n = {len(x)} classes"
    if len(x) >= _MIN_POINTS and np.ptp(x) > 0 and np.ptp(y) > 0:
        pearson = float(np.corrcoef(x, y)[0, 1])
        spearman = float(np.corrcoef(stats.rankdata(x), stats.rankdata(y))[0, 1])
        text = f"Pearson r = {pearson:+.2f} ({name}), Spearman ρ = {spearman:+.2f}, {text}"
    subtitle(axes, text.replace("-", "−"))
