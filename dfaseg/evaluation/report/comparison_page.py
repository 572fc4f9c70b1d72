"""The report of a comparison: which method does best, how surely, and what delta it learned."""

import math
from collections.abc import Sequence

import numpy as np

from dfaseg.evaluation.comparison_notes import ENOUGH_SEEDS
from dfaseg.evaluation.differences import LEVEL, Difference
from dfaseg.evaluation.methods import differing_settings
from dfaseg.evaluation.report.bias_section import bias_section
from dfaseg.evaluation.report.charts import Bar, bar_chart
from dfaseg.evaluation.report.class_section import class_section
from dfaseg.evaluation.report.markup import Markup, element, row, table
from dfaseg.evaluation.report.page import (
    key_figure,
    notes_list,
    number_cell,
    section,
    swatch,
    write_page,
)
from dfaseg.evaluation.report.pair_section import pair_section, reference_section
from dfaseg.evaluation.run_comparison import Row, RunComparison
from dfaseg.evaluation.wording import named, number
from dfaseg.wording import counted

_BEST_COLOUR, _OTHER_COLOUR = "#2a8c93", "#a9c9cc"
_MOST_NAMES = 4
"""Methods that a sentence names one by one."""


def comparison_page(comparison: RunComparison) -> str:
    """Return the report of a comparison as HTML."""
    sections = [
        _opening(comparison),
        _score_section(comparison),
        class_section(comparison),
        reference_section(comparison),
        pair_section(comparison),
        bias_section(comparison),
        section("Notes", "", notes_list((*comparison.cautions, *comparison.explanations))),
        _run_section(comparison),
    ]
    num_runs = sum(len(entry.method.runs) for entry in comparison.rows)
    subtitle = f"{counted(num_runs, 'run')}, {counted(comparison.num_cases, 'case')} each"
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
        f"{named(best.method.name)} has the highest macro Dice: {_mean_and_spread(best)},"
        f" over {counted(len(best.method.runs), 'run')}."
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
    if equal and comparison.can_find:
        said.append(f" These cases cannot tell it from {_listed(equal)}.")
    elif equal:
        said.append(
            f" With {counted(comparison.num_cases, 'case')} and"
            f" {counted(len(comparison.differences), 'pair')} no difference could count as beyond"
            " chance, whatever the methods are worth."
        )
    return [*said, *_against_reference(comparison)]


def _against_reference(comparison: RunComparison) -> list[str]:
    if comparison.reference is None:
        return []
    surely = [entry for entry in comparison.gains if entry.is_beyond_chance]
    ahead = [entry.first for entry in surely if entry.estimate.value > 0]
    behind = [entry.first for entry in surely if entry.estimate.value < 0]
    said = [f" Against {named(comparison.reference)}, chosen as the reference,"]
    if ahead:
        said.append(f" {_listed(ahead, 'and')} {_are(ahead)} ahead")
    if behind:
        said.append(f"{' and' if ahead else ''} {_listed(behind, 'and')} {_are(behind)} behind")
    return [*said, " by more than chance explains." if surely else " no method differs surely."]


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _is_of(entry: Difference, best: Row) -> bool:
    return best.method.name in {entry.first, entry.second}


def _other(entry: Difference, best: Row) -> str:
    return entry.second if entry.first == best.method.name else entry.first


def _listed(names: Sequence[str], word: str = "or") -> str:
    if len(names) > _MOST_NAMES:
        return f"{len(names)} others"
    said = [named(name) for name in names]
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])} {word} {said[-1]}"


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


def _run_section(comparison: RunComparison) -> Markup:
    methods = [entry.method for entry in comparison.rows]
    settings = differing_settings(methods)
    rows = [
        row(
            element("th", method.name),
            ", ".join(run.path.name for run in method.runs),
            "; ".join(f"{key} {value}" for key, value in settings[method.name].items()) or "–",
        )
        for method in methods
    ]
    header = row("Method", "Runs", "Settings that methods do not share", heading=True)
    return section("Runs", "", table(header, rows, class_="wide"))
