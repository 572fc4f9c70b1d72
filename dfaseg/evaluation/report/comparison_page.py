"""The report of a comparison: which method does best, how surely, and what delta it learned."""

import math
from collections.abc import Sequence

import numpy as np

from dfaseg.evaluation.report.bias_section import bias_section
from dfaseg.evaluation.report.charts import Bar, bar_chart
from dfaseg.evaluation.report.markup import Markup, element, row, table
from dfaseg.evaluation.report.page import (
    fact_table,
    key_figure,
    notes_list,
    number_cell,
    section,
    swatch,
    write_page,
)
from dfaseg.evaluation.run_comparison import ENOUGH_SEEDS, LEVEL, Difference, Row, RunComparison
from dfaseg.evaluation.summary import Estimate
from dfaseg.evaluation.wording import count, interval, number, p_value, signed

_BEST_COLOUR, _OTHER_COLOUR = "#2a8c93", "#a9c9cc"
_MOST_PAIRS = 60
"""Rows of the table of pairs; scores.json holds them all."""


def comparison_page(comparison: RunComparison) -> str:
    """Return the report of a comparison as HTML."""
    sections = [
        _opening(comparison),
        _score_section(comparison),
        _pair_section(comparison),
        bias_section(comparison),
        section("Notes", "", notes_list(comparison.notes)),
        _run_section(comparison),
    ]
    num_runs = sum(len(entry.method.runs) for entry in comparison.rows)
    subtitle = f"{count(num_runs, 'run')}, {count(comparison.num_cases, 'case')} each"
    kept = [part for part in sections if part is not None]
    return write_page("Comparison", comparison.title, subtitle, kept)


def _opening(comparison: RunComparison) -> Markup:
    best = comparison.rows[0]
    figures = [key_figure("Best macro Dice", number(best.macro.value), best.method.name)]
    if len(comparison.rows) > 1:
        last = comparison.rows[-1]
        figures += [
            key_figure("Lowest macro Dice", number(last.macro.value), last.method.name),
            key_figure(
                "Pairs that differ beyond chance",
                str(sum(entry.is_beyond_chance for entry in comparison.differences)),
                f"of {len(comparison.differences)}, corrected p < {LEVEL}",
            ),
        ]
    return element(
        "section",
        element("p", *_sentences(comparison), class_="lead"),
        element("div", *figures, class_="figures"),
    )


def _sentences(comparison: RunComparison) -> list[str]:
    best = comparison.rows[0]
    said = [
        f"{best.method.name} has the highest macro Dice: {_mean_and_spread(best)},"
        f" over {count(len(best.method.runs), 'run')}."
    ]
    rivals = [entry for entry in comparison.differences if _is_of(entry, best)]
    surely = [entry for entry in rivals if entry.is_beyond_chance]
    equal = [_other(entry, best) for entry in rivals if not entry.is_beyond_chance]
    if surely and not equal:
        said.append(" It is ahead of all others by more than chance explains.")
    elif surely:
        said.append(
            f" It is ahead of {len(surely)} of the {len(rivals)} other methods by more than chance"
            " explains."
        )
    if surely and min(len(entry.method.runs) for entry in comparison.rows) < ENOUGH_SEEDS:
        said.append(" With so few seeds that is said of these runs, not yet of the methods.")
    if equal:
        said.append(f" These cases cannot tell it from {_listed(equal)}.")
    return said


def _is_of(entry: Difference, best: Row) -> bool:
    return best.method.name in {entry.first, entry.second}


def _other(entry: Difference, best: Row) -> str:
    return entry.second if entry.first == best.method.name else entry.first


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{'; '.join(names[:-1])} or {names[-1]}"


def _mean_and_spread(entry: Row) -> str:
    text = number(entry.macro.value)
    return f"{text} ± {number(entry.spread)}" if math.isfinite(entry.spread) else text


def _score_section(comparison: RunComparison) -> Markup:
    bars = [
        Bar(
            entry.method.name,
            _OTHER_COLOUR if index else _BEST_COLOUR,
            entry.macro,
            entry.method.macro_dice().tolist() if len(entry.method.runs) > 1 else (),
        )
        for index, entry in enumerate(comparison.rows)
    ]
    return section(
        "Methods",
        "Bars: macro Dice, the mean over seeds. Black lines: 95 % intervals over cases and seeds."
        " Dots: single seeds. The table gives mean ± standard deviation over seeds; the highest"
        " mean of each column is bold.",
        bar_chart(bars, "Macro Dice of each method with 95 % intervals"),
        _score_table(comparison),
    )


def _score_table(comparison: RunComparison) -> Markup:
    means = np.array([_class_means(entry) for entry in comparison.rows])  # (m, k)
    best = np.where(np.isfinite(means), means, -1).argmax(axis=0)
    rows = []
    for index, entry in enumerate(comparison.rows):
        dice = entry.method.dice()
        cells = [
            number_cell(
                number(means[index, column]),
                _spread(dice[:, column]),
                best=index == best[column],
            )
            for column in range(len(comparison.class_map))
        ]
        macro = number_cell(
            number(entry.macro.value), _spread(entry.method.macro_dice()), best=index == 0
        )
        name = element("th", entry.method.name)
        rows.append(row(name, number_cell(str(len(dice))), macro, *cells))
    names = [
        element("th", swatch(entry), entry.name, class_="number") for entry in comparison.class_map
    ]
    seeds, macro_name = (element("th", name, class_="number") for name in ("Seeds", "Macro Dice"))
    header = row("Method", seeds, macro_name, *names, heading=True)
    return table(header, rows, class_="wide")


def _class_means(entry: Row) -> list[float]:
    columns = entry.method.dice().T
    return [float(c.mean()) if np.isfinite(c).all() else math.nan for c in columns]


def _spread(values: np.ndarray) -> str:
    return f"± {number(float(values.std(ddof=1)))}" if len(values) > 1 else ""


def _pair_section(comparison: RunComparison) -> Markup | None:
    if not comparison.differences:
        return None
    rows = [
        row(
            element("th", entry.first),
            entry.second,
            number_cell(signed(entry.estimate.value), _signed_interval(entry.estimate)),
            number_cell(signed(entry.effect, 2)),
            number_cell(p_value(entry.p_bootstrap)),
            number_cell(p_value(entry.p_ranks)),
            class_="best-row" if entry.is_beyond_chance else None,
        )
        for entry in comparison.differences[:_MOST_PAIRS]
    ]
    numbers = ("Difference", "Effect size", "p, bootstrap", "p, Wilcoxon")
    headings = [element("th", name, class_="number") for name in numbers]
    header = row("Higher", "Lower", *headings, heading=True)
    hint = (
        f"Differences of macro Dice on the same cases, with 95 % intervals; p-values are corrected"
        f" for the number of pairs. Tinted: both are below {LEVEL}."
    )
    more = len(comparison.differences) - len(rows)
    if more > 0:
        hint += f" Another {more} smaller ones are in scores.json."
    return section("Pair by pair", hint, table(header, rows, class_="wide"))


def _signed_interval(estimate: Estimate) -> str:
    return f"{signed(estimate.low)} to {signed(estimate.high)}" if interval(estimate) else ""


def _run_section(comparison: RunComparison) -> Markup:
    facts = {
        entry.method.name: ", ".join(
            run.path.name if run.seed is None else f"{run.path.name} (seed {run.seed})"
            for run in entry.method.runs
        )
        for entry in comparison.rows
    }
    return section("Runs", "", fact_table(facts))
