"""Methods class by class: which one finds which class, and how surely."""

from dfaseg.classmap import TissueClass
from dfaseg.evaluation.compare import MethodSummary
from dfaseg.evaluation.estimate import Estimate
from dfaseg.evaluation.report.charts import Bar, bar_chart
from dfaseg.evaluation.report.markup import Markup, element
from dfaseg.evaluation.report.page import section, swatch
from dfaseg.evaluation.run_comparison import Row, RunComparison

_MOST_OPEN = 48
"""Bars that are shown at once; of more, those of each class are folded away."""


def class_section(comparison: RunComparison) -> Markup:
    """Return a bar chart for each class, its methods in the order of their macro Dice."""
    summaries = {entry.name: entry for entry in comparison.tests.methods}
    charts = [_chart(comparison, summaries, entry) for entry in comparison.class_map]
    is_long = len(comparison.rows) * len(charts) > _MOST_OPEN
    return section(
        "Class by class",
        "Bars: Dice of the class, the mean over seeds. Black lines: 95 % intervals over cases and"
        " seeds, each on its own; whether methods differ is better seen in their differences, pair"
        " by pair. Dots: single seeds. Methods are in the order of macro Dice.",
        *(_fold(entry, chart) if is_long else _open(entry, chart)
          for entry, chart in zip(comparison.class_map, charts, strict=True)),
    )  # fmt: skip


def _chart(
    comparison: RunComparison, summaries: dict[str, MethodSummary], entry: TissueClass
) -> Markup:
    bars = [_bar(row, summaries[row.method.name], entry) for row in comparison.rows]
    return bar_chart(bars, f"Dice of {entry.name} with 95 % intervals, by method")


def _bar(row: Row, summary: MethodSummary, entry: TissueClass) -> Bar:
    by_seed = row.method.dice()[:, entry.index].tolist()
    low, high = summary.dice_interval[entry.index]
    return Bar(
        row.method.name,
        entry.hex_colour,
        Estimate(summary.dice[entry.index].mean, float(low), float(high)),
        by_seed if len(by_seed) > 1 else (),
    )


def _open(entry: TissueClass, chart: Markup) -> Markup:
    heading = element("h3", swatch(entry), entry.name)
    return element("div", heading, chart, class_="class-chart")


def _fold(entry: TissueClass, chart: Markup) -> Markup:
    return element("details", element("summary", swatch(entry), entry.name), chart)
