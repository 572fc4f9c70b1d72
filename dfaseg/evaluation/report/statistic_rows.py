"""Rows of a comparison's table that no single run has: means over seeds, and paired tests."""

import math
from collections.abc import Iterator, Sequence

from dfaseg.evaluation.compare import Comparison, MethodSummary, Spread
from dfaseg.evaluation.differences import Difference
from dfaseg.evaluation.paired import PairedTest
from dfaseg.evaluation.records import FloatArray

TableRow = tuple[object, object, object, object, str, object]
"""Method, run, seed, class, measure and value; run and seed are empty here."""

AGAINST = " vs "
"""Stands in a measure before the method that the row's method is held against."""


def method_rows(tests: Comparison) -> Iterator[TableRow]:
    """Yield means, spreads over seeds and intervals of each method, over all and by class."""
    for method in tests.methods:
        for measure, spread in method.overall.items():
            yield from _spread_rows(method, "", measure, spread)
        yield from _end_rows(method.name, "", "macro_dice", method.macro_interval)
        by_class = zip(tests.class_names, method.dice, method.dice_interval, strict=True)
        for name, spread, ends in by_class:
            yield from _spread_rows(method, name, "dice", spread)
            yield from _end_rows(method.name, name, "dice", ends)


def pair_rows(tests: Comparison) -> Iterator[TableRow]:
    """Yield differences, effect sizes and p-values of each pair, as scores.json orders them."""
    corrected = zip(tests.tests, tests.bootstrap_holm, tests.wilcoxon_holm, strict=True)
    for test, bootstrap_holm, wilcoxon_holm in corrected:
        against = AGAINST + test.second
        yield _row(test.first, "", f"macro_dice_difference{against}", test.difference)
        yield from _end_rows(test.first, "", "macro_dice_difference", test.interval, against)
        measures: dict[str, object] = {
            "case_difference": test.case_difference,
            "rank_biserial": test.rank_biserial,
            "bootstrap_p": _p(test.bootstrap_p),
            "bootstrap_p_holm": _p(bootstrap_holm),
            "wilcoxon_p": _p(test.wilcoxon_p),
            "wilcoxon_p_holm": _p(wilcoxon_holm),
        }
        for measure, value in measures.items():
            yield _row(test.first, "", measure + against, value)
        yield from _class_rows(test, tests.class_names, against)


def reference_rows(gains: Sequence[Difference]) -> Iterator[TableRow]:
    """Yield each method minus the reference, with p-values corrected for these tests only."""
    for entry in gains:
        measures: dict[str, object] = {
            "reference_difference": entry.estimate.value,
            "reference_difference_low": entry.estimate.low,
            "reference_difference_high": entry.estimate.high,
            "reference_rank_biserial": entry.effect,
            "reference_bootstrap_p_holm": _p(entry.p_bootstrap),
            "reference_wilcoxon_p_holm": _p(entry.p_ranks),
        }
        for measure, value in measures.items():
            yield _row(entry.first, "", measure + AGAINST + entry.second, value)


def _spread_rows(
    method: MethodSummary, class_name: str, measure: str, spread: Spread
) -> Iterator[TableRow]:
    yield _row(method.name, class_name, f"{measure}_mean", spread.mean)
    yield _row(method.name, class_name, f"{measure}_deviation", spread.deviation)


def _end_rows(
    method: str, class_name: str, measure: str, ends: FloatArray, against: str = ""
) -> Iterator[TableRow]:
    for end, value in zip(("low", "high"), ends, strict=True):
        yield _row(method, class_name, f"{measure}_{end}{against}", float(value))


def _class_rows(test: PairedTest, names: Sequence[str], against: str) -> Iterator[TableRow]:
    by_class = zip(names, test.class_difference, test.class_interval, strict=True)
    for name, difference, ends in by_class:
        yield _row(test.first, name, f"dice_difference{against}", float(difference))
        yield from _end_rows(test.first, name, "dice_difference", ends, against)


def _row(method: str, class_name: str, measure: str, value: object) -> TableRow:
    return method, "", "", class_name, measure, value


def _p(value: float) -> object:
    """Return a p-value as text: rounded to the digits of scores, very small ones would be 0."""
    return f"{value:.4g}" if math.isfinite(value) else ""
