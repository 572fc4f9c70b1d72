"""What delta the methods learned, and what it goes with: difficulty or frequency."""

import io
import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from dfaseg.evaluation.bias_relations import (
    MIN_CLASSES,
    BiasRelation,
    Correlation,
    baseline_dice,
    baseline_of,
)
from dfaseg.evaluation.methods import Method
from dfaseg.evaluation.records import FloatArray
from dfaseg.evaluation.report.markup import Markup, element, join, row, table
from dfaseg.evaluation.report.page import data_uri, number_cell, section, swatch
from dfaseg.evaluation.run_comparison import RunComparison
from dfaseg.evaluation.wording import named, p_value, signed
from dfaseg.figures.relations import draw_bias_against_dice, draw_dice_against_frequency
from dfaseg.figures.style import class_styles, house_style

_MOST_FIGURES = 4


def bias_section(comparison: RunComparison) -> Markup | None:
    """Return delta per class of the methods that learn it, and plots; None without either."""
    methods = [entry.method for entry in comparison.rows]
    learned = [method for method in methods if method.delta() is not None]
    figures = [*_bias_figures(comparison, methods, learned), *_frequency_figure(comparison)]
    if not learned and not figures:
        return None
    plots = element("div", *figures, class_="plots")
    shown = join(_delta_table(comparison, learned)) if learned else None
    return section(
        "Class bias, difficulty and frequency",
        "δ minus its mean over the classes, mean over seeds ± standard deviation. Above 0 is meant"
        " to say hard, below 0 easy. Only differences between classes mean anything.",
        shown,
        _relation_table(comparison),
        plots,
    )


def _relation_table(comparison: RunComparison) -> Markup | None:
    """Return the correlations over the classes, of the means over seeds and seed by seed."""
    if not comparison.relations:
        return None
    num_classes = max(entry.of_means.num_classes for entry in comparison.relations)
    if num_classes < MIN_CLASSES:
        return element(
            "p", f"With {num_classes} classes no correlation can be stated: two points lie on a"
            " line whatever they are.", class_="hint",
        )  # fmt: skip
    rows = [_relation_row(entry) for entry in comparison.relations]
    headings = [
        element("th", name, class_="number")
        for name in ("Classes", "Spearman ρ", "p of ρ", "Pearson r", "ρ seed by seed")
    ]
    header = row("Method", "What", "Goes with", *headings, heading=True)
    hint = (
        f"Correlations over {num_classes} classes: so few points show strong relations only, and"
        " more seeds do not make them more, because they repeat the same classes. Means over seeds"
        " are correlated; p is exact and not corrected for the number of rows. A warm start makes δ"
        " follow the frequency before anything is learned: there, look at what training added. If δ"
        " marked the hard classes, it would fall with their Dice: ρ below 0."
    )
    said = element("p", hint, class_="hint")
    return element("div", said, table(header, rows, class_="wide"), class_="relations")


def _relation_row(entry: BiasRelation) -> Markup:
    against = f"Dice of {named(entry.baseline)}" if entry.baseline else "log pixel frequency"
    what = "δ" if entry.measured == "delta" else "δ minus its warm start"
    found: Correlation = entry.of_means
    return row(
        element("th", entry.method),
        what,
        against,
        number_cell(str(found.num_classes)),
        number_cell(signed(found.spearman, 2)),
        number_cell(p_value(found.spearman_p)),
        number_cell(signed(found.pearson, 2)),
        number_cell(", ".join(signed(one.spearman, 2) for one in entry.by_seed)),
    )


def _delta_table(comparison: RunComparison, learned: Sequence[Method]) -> Markup:
    rows = []
    for method in learned:
        delta = method.delta()
        assert delta is not None
        cells = [number_cell(signed(float(values.mean())), _spread(values)) for values in delta.T]
        rows.append(row(element("th", method.name), *cells))
    names = [
        element("th", swatch(entry), entry.name, class_="number") for entry in comparison.class_map
    ]
    return table(row("Method", *names, heading=True), rows, class_="wide")


def _spread(values: FloatArray) -> str:
    return f"± {values.std(ddof=1):.3f}" if len(values) > 1 else ""


def _bias_figures(
    comparison: RunComparison, methods: Sequence[Method], learned: Sequence[Method]
) -> list[Markup]:
    """Draw delta against the Dice of a method without bias, where one was compared."""
    styles = class_styles(tuple(comparison.class_map))
    figures = []
    for method in learned[:_MOST_FIGURES]:
        baseline, delta = baseline_of(method, methods), method.delta()
        if baseline is None or delta is None:
            continue
        with house_style():
            dice = baseline_dice(method, baseline).mean(axis=0)
            figure = draw_bias_against_dice(styles, delta.mean(axis=0), dice)
            if figure is not None:
                said = f"δ of {named(method.name)} against Dice of {named(baseline.name)}"
                figures.append(_inline(figure, said))
    return figures


def _frequency_figure(comparison: RunComparison) -> list[Markup]:
    """Draw Dice of the best method against the classes' share of the training pixels."""
    best = comparison.rows[0].method
    frequencies = best.runs[0].result.facts.get("frequencies")
    if not frequencies:
        return []
    split = str(best.runs[0].result.facts.get("split", "scored"))
    styles = class_styles(tuple(comparison.class_map))
    with house_style():
        figure = draw_dice_against_frequency(styles, frequencies, _class_means(best), split)
        if figure is None:
            return []
        return [_inline(figure, f"Dice of {named(best.name)} against pixel frequency")]


def _class_means(method: Method) -> list[float]:
    columns = method.dice().T
    return [float(c.mean()) if np.isfinite(c).all() else math.nan for c in columns]


def _inline(figure: Figure, caption: str) -> Markup:
    """Return a figure as an SVG image inside the page; drawn in ``house_style``."""
    buffer = io.BytesIO()
    # Without a date, so that the same runs give the same report.
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    shown = element("img", src=data_uri(buffer.getvalue(), "image/svg+xml"), alt=caption)
    return element("figure", shown, element("figcaption", caption))
