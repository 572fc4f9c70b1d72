"""Figures of how a run went: loss, Dice and class bias over the epochs, and what they go with."""

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from dfaseg.classmap import ClassMap
from dfaseg.errors import ConfigError
from dfaseg.figures.relations import draw_bias_against_dice, draw_dice_against_frequency
from dfaseg.figures.style import (
    FAINT_INK,
    INK,
    WIDTH_IN,
    class_styles,
    house_style,
    plain_number,
    save_figure,
    shortened,
    subtitle,
)
from dfaseg.training.plots.course import (
    Course,
    FloatArray,
    NamedCurve,
    finish_epochs,
    label_ends,
    mark_best,
    plot_class,
    plot_course,
    plot_sets,
)
from dfaseg.training.runlog import EpochRecord, best_record

_TERM_INKS = ("#0072b2", "#d55e00", "#009e73", "#8c5a9e", "#7a6a00")
"""After the palette of Okabe & Ito, darkened where it is faint on white."""
_DELTA = "Learned δ minus its mean over the classes"
_BIAS = "Class bias b minus its mean, as the softmax sees it"
_LOG_RANGE = 8.0
"""Loss curves that span more than this factor get a logarithmic axis."""
_SAME_BIAS = 1e-3
"""Where b and delta differ by less, one of them is drawn."""


def draw_curves(
    history: Sequence[EpochRecord],
    class_map: ClassMap,
    frequencies: Sequence[float],
    out_dir: Path,
    *,
    baseline_dice: Sequence[float] | None = None,
    test_dice: Sequence[float] | None = None,
) -> list[Path]:
    """Draw all figures for which the history holds numbers, as PNG and SVG.

    Args:
        history: One record per finished epoch.
        class_map: The classes.
        frequencies: Pixel frequency of each class in the training split.
        out_dir: Where to write; must exist.
        baseline_dice: Dice per class of a run without class bias; needed for the figure of bias
            against difficulty.
        test_dice: Dice per class on the test split; the validation split's best epoch if missing.

    Returns:
        The files written; none before the first scored epoch.

    Raises:
        ConfigError: A list has another number of classes than the class map.
        OutputError: A file cannot be written.
    """
    best = best_record(history)
    if best is None:
        return []
    for values in (frequencies, baseline_dice, test_dice, best.dice):
        if values is not None and len(values) != len(class_map):
            raise ConfigError(
                f"plots: {len(values)} values for {len(class_map)} classes; give one per class"
            )
    run = Course(tuple(history), tuple(class_styles(tuple(class_map))), best)
    dice, split = (best.dice, "validation") if test_dice is None else (test_dice, "test")
    with house_style():
        figures = {
            "loss": _draw_loss(run),
            "dice": _draw_dice(run),
            "delta": _draw_bias(run),
            "frequency_dice": draw_dice_against_frequency(run.styles, frequencies, dice, split),
        }
        if baseline_dice is not None and run.best.delta:
            delta = run.values(lambda record: record.delta)[run.history.index(best)].mean(axis=0)
            figures["delta_dice"] = draw_bias_against_dice(run.styles, delta, baseline_dice)
        drawn = {name: figure for name, figure in figures.items() if figure is not None}
        return [p for name, figure in drawn.items() for p in save_figure(figure, out_dir, name)]


def _draw_loss(run: Course) -> Figure:
    """Draw the loss and its terms, and the learning rate below."""
    figure = Figure(figsize=(WIDTH_IN, 4.0), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    curves = _loss_curves(run)
    for curve in curves:
        width = 2.0 if curve.name == "total" else 1.3
        plot_course(upper, run, curve.values, color=curve.ink, linewidth=width)
    _choose_scale(upper, np.stack([curve.values for curve in curves]))
    upper.set(title="Training loss", ylabel="mean of the epoch")
    subtitle(upper, f"dashed: best epoch {run.best.epoch}")
    rates = np.array([record.lr for record in run.history])
    plot_course(lower, run, rates, color=FAINT_INK, linewidth=1.5)
    lower.set(ylabel="learning\nrate", xlabel="epoch", ylim=(0, 1.15 * max(rates.max(), 1e-12)))
    lower.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
    lower.yaxis.set_major_formatter(plain_number)
    for axes in (upper, lower):
        mark_best(axes, run)
    finish_epochs(lower, run)
    if len(curves) > 1:
        label_ends(upper, run, curves)
    return figure


def _loss_curves(run: Course) -> list[NamedCurve]:
    """Return the total and each term that was recorded."""
    terms = dict.fromkeys(term for record in run.history for term in record.terms)
    total = NamedCurve("total", np.array([record.loss for record in run.history]), INK)
    return [total] + [
        NamedCurve(term, np.array([r.terms.get(term, np.nan) for r in run.history]), ink)
        for term, ink in zip(terms, cycle(_TERM_INKS), strict=False)
    ]


def _draw_dice(run: Course) -> Figure:
    """Draw Dice per class on the validation split, and their mean."""
    figure = Figure(figsize=(WIDTH_IN, _height(run)), layout="constrained")
    axes = figure.subplots()
    dice = run.values(lambda record: record.dice)[:, 0]  # (e, k)
    for values, style in zip(dice.T, run.styles, strict=True):
        plot_class(axes, run, values, style)
    macro = np.array([record.macro_dice for record in run.history])
    plot_course(axes, run, macro, color=INK, linewidth=2.6)
    axes.plot(run.best.epoch, run.best.macro_dice, "o", color=INK, markersize=5, clip_on=False)
    axes.set(
        title="Dice per class on the validation split", ylabel="Dice", xlabel="epoch", ylim=(0, 1)
    )
    subtitle(axes, _dice_remark(run, dice))
    mark_best(axes, run)
    finish_epochs(axes, run)
    named = [NamedCurve(s.label, v, s.ink) for s, v in zip(run.styles, dice.T, strict=True)]
    label_ends(axes, run, [*named, NamedCurve("macro mean", macro, INK)])
    return figure


def _dice_remark(run: Course, dice: FloatArray) -> str:
    text = f"dashed: best epoch {run.best.epoch}, macro Dice {run.best.macro_dice:.3f}"
    absent = [
        style.label
        for style, values in zip(run.styles, dice.T, strict=True)
        if not np.isfinite(values).any()
    ]
    return shortened(f"{text}; not in this split: {', '.join(absent)}" if absent else text, 90)


def _draw_bias(run: Course) -> Figure | None:
    """Draw the learned delta, and b below it where b holds more than delta."""
    delta = _centred(run.values(lambda record: record.delta))
    bias = _centred(run.values(lambda record: record.bias))
    if delta.size == 0:
        return None
    parts = {_DELTA: delta}
    if bias.shape == delta.shape and np.nanmax(np.abs(bias - delta), initial=0) > _SAME_BIAS:
        parts[_BIAS] = bias
    figure = Figure(
        figsize=(WIDTH_IN, _height(run) * len(parts)), layout=ConstrainedLayoutEngine(hspace=0.06)
    )
    rows = figure.subplots(len(parts), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (title, values) in zip(rows, parts.items(), strict=True):
        _fill_bias(axes, run, title, values)
    rows[-1].set_xlabel("epoch")
    finish_epochs(rows[-1], run)
    for axes, values in zip(rows, parts.values(), strict=True):
        means = values.mean(axis=1)  # (e, k): over layers or heads
        named = [NamedCurve(s.label, v, s.ink) for s, v in zip(run.styles, means.T, strict=True)]
        label_ends(axes, run, named)
    return figure


def _fill_bias(axes: Axes, run: Course, title: str, values: FloatArray) -> None:
    """Draw one bias per class, shape ``(e, sets, k)``, and say how to read it."""
    axes.axhline(0, color=FAINT_INK, linewidth=0.8)
    for index, style in enumerate(run.styles):
        plot_sets(axes, run, values[:, :, index], style)
    axes.set(title=title, ylabel="difference to the mean class")
    band = "; band: range over layers or heads" if values.shape[1] > 1 else ""
    reading = (
        "is meant to say hard, below 0 easy"
        if title == _DELTA
        else "gets more attention, below 0 less"
    )
    subtitle(axes, f"above 0 {reading}; dashed: best epoch {run.best.epoch}{band}")
    mark_best(axes, run)


def _centred(values: FloatArray) -> FloatArray:
    """Subtract the mean over the classes: only differences between classes mean anything."""
    return values - values.mean(axis=2, keepdims=True) if values.size else values


def _height(run: Course) -> float:
    """Return a height in inches that gives each class's label a line."""
    return max(3.8, 1.0 + 0.155 * (len(run.styles) + 1))


def _choose_scale(axes: Axes, values: FloatArray) -> None:
    finite = values[np.isfinite(values)]
    if finite.size and finite.min() > 0 and finite.max() / finite.min() > _LOG_RANGE:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(plain_number)
        axes.yaxis.set_minor_formatter(NullFormatter())
    elif finite.size:
        axes.set_ylim(0, 1.05 * max(finite.max(), 1e-12))
