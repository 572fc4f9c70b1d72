"""Methods two by two: which differ by more than chance explains."""

from collections.abc import Sequence

from dfaseg.evaluation.differences import LEVEL, Difference
from dfaseg.evaluation.estimate import Estimate
from dfaseg.evaluation.records import to_number
from dfaseg.evaluation.report.markup import Markup, element, row, table
from dfaseg.evaluation.report.page import number_cell, section
from dfaseg.evaluation.run_comparison import RunComparison
from dfaseg.evaluation.wording import ABSENT, interval, named, p_value, signed
from dfaseg.wording import counted

_MOST_LISTED = 15
"""Pairs that are listed one below the other; more of them are laid out as a square."""


def reference_section(comparison: RunComparison) -> Markup | None:
    """Return every method against the reference; None without one or without tests."""
    if not comparison.gains:
        return None
    reference = named(str(comparison.reference))
    comparisons = counted(len(comparison.gains), "comparison")
    return section(
        f"Against {reference}",
        f"Macro Dice of each method minus that of {reference} on the same cases, with"
        f" 95 % intervals; p-values are corrected for {comparisons}."
        f" Tinted: both are below {LEVEL}.",
        _table(comparison.gains, with_second=False),
    )


def pair_section(comparison: RunComparison) -> Markup | None:
    """Return all pairs: as a list, or as a square with the list folded away."""
    pairs = comparison.differences
    if not pairs:
        return None
    hint = (
        "Differences of macro Dice on the same cases; p-values are corrected for"
        f" {counted(len(pairs), 'pair')}. Tinted: both, bootstrap and Wilcoxon, are below {LEVEL}."
    )
    listed = _table(pairs, with_second=True)
    if len(pairs) <= _MOST_LISTED:
        return section("Pair by pair", hint, listed)
    hint += (
        " Above the diagonal: the row's macro Dice minus the column's. Below it: the larger of both"
        " p-values."
    )
    title = element("summary", f"All {len(pairs)} pairs with intervals and effect sizes")
    folded = element("details", title, listed)
    return section("Pair by pair", hint, _square(comparison), folded)


def _table(pairs: Sequence[Difference], *, with_second: bool) -> Markup:
    rows = [_row(entry, with_second=with_second) for entry in pairs]
    numbers = ("Difference", "Seed by seed", "Effect size", "p, bootstrap", "p, Wilcoxon")
    headings = [element("th", name, class_="number") for name in numbers]
    names = ("Higher", "Lower") if with_second else ("Method",)
    return table(row(*names, *headings, heading=True), rows, class_="wide")


def _row(entry: Difference, *, with_second: bool) -> Markup:
    names = [element("th", entry.first), *([entry.second] if with_second else [])]
    return row(
        *names,
        number_cell(signed(entry.estimate.value), _signed_interval(entry.estimate)),
        number_cell(", ".join(signed(value) for value in entry.by_seed) or ABSENT),
        number_cell(signed(entry.effect, 2)),
        number_cell(p_value(entry.p_bootstrap)),
        number_cell(p_value(entry.p_ranks)),
        class_="best-row" if entry.is_beyond_chance else None,
    )


def _square(comparison: RunComparison) -> Markup:
    """Lay out all pairs, the best method first; each has two cells."""
    names = [entry.method.name for entry in comparison.rows]
    found = {frozenset({pair.first, pair.second}): pair for pair in comparison.differences}
    rows = []
    for place, name in enumerate(names):
        cells = [
            _cell(found.get(frozenset({name, other})), name, is_above=column > place)
            for column, other in enumerate(names)
        ]
        rows.append(row(element("th", f"{place + 1}  {name}"), *cells))
    numbers = [element("th", str(place + 1), class_="number") for place in range(len(names))]
    return table(row("", *numbers, heading=True), rows, class_="square")


def _cell(pair: Difference | None, name: str, *, is_above: bool) -> Markup:
    if pair is None:
        return element("td", "", class_="number self")
    tint = "number sure" if pair.is_beyond_chance else "number"
    if is_above:
        value = pair.estimate.value if pair.first == name else -pair.estimate.value
        return element("td", signed(value), class_=tint)
    defined = [p for p in (pair.p_bootstrap, pair.p_ranks) if to_number(p) is not None]
    return element("td", p_value(max(defined)) if defined else ABSENT, class_=tint)


def _signed_interval(estimate: Estimate) -> str:
    return f"{signed(estimate.low)} to {signed(estimate.high)}" if interval(estimate) else ""
