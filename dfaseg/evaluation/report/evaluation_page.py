"""The report of one evaluation: what was scored, how well it went, where it failed."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dfaseg.evaluation.extras import NOT_SCORED
from dfaseg.evaluation.records import CountArray, ratio
from dfaseg.evaluation.report.charts import Bar, bar_chart
from dfaseg.evaluation.report.markup import Markup, element, row, table
from dfaseg.evaluation.report.matrix_section import confusion_section
from dfaseg.evaluation.report.page import (
    fact_table,
    key_figure,
    legend,
    notes_list,
    number_cell,
    picture,
    section,
    swatch,
    write_page,
)
from dfaseg.evaluation.report.reliability import reliability_section
from dfaseg.evaluation.results import EvalResult
from dfaseg.evaluation.sampath_compat import CAVEAT
from dfaseg.evaluation.summary import FEW_CASES, Summary
from dfaseg.evaluation.wording import interval, number, percent, pixels
from dfaseg.figures.case_pictures import PanelCase, draw_pictures
from dfaseg.wording import counted

_KEY_FIGURES = {
    "macro_dice": "Macro Dice",
    "worst_dice": "Worst class, Dice",
    "macro_iou": "Macro IoU",
    "pixel_accuracy": "Pixel accuracy",
}
_CLASS_MEASURES = {
    "dice": "Dice",
    "iou": "IoU",
    "precision": "Precision",
    "recall": "Recall",
}
_PICTURE_PX = 640
_UNSHOWN_FACTS = frozenset({"settings", "limits"})
"""Facts for programs, or said among the notes."""
_MOST_CASES = 60
"""Rows of the table of images; scores.csv holds them all."""


def evaluation_page(result: EvalResult, summary: Summary, shown: Sequence[PanelCase] = ()) -> str:
    """Return the report of one evaluation as HTML.

    Args:
        result: What was counted.
        summary: Its scores with intervals.
        shown: Images worth looking at, with truth and prediction.
    """
    sections = [
        _opening(result, summary),
        _class_section(result, summary),
        confusion_section(result),
        _picture_section(result, shown),
        reliability_section(summary.calibration),
        _other_measures(summary),
        _case_section(result),
        _sampath_section(summary),
        section("Notes", "", notes_list(summary.notes)),
        _fact_section(result),
    ]
    subtitle = f"{counted(len(result.by_case()), 'case')}, {counted(len(result.cases), 'image')}"
    if result.mpp is not None:
        subtitle += f", scored at {result.mpp:g} µm per pixel"
    kept = [part for part in sections if part is not None]
    return write_page("Evaluation", result.title, subtitle, kept)


def _opening(result: EvalResult, summary: Summary) -> Markup:
    figures = [
        key_figure(
            name,
            number(summary.overall[key].value),
            f"95 %: {spread}" if (spread := interval(summary.overall[key])) else "",
        )
        for key, name in _KEY_FIGURES.items()
    ]
    return element(
        "section",
        element("p", *_sentences(result, summary), class_="lead"),
        element("div", *figures, class_="figures"),
    )


def _sentences(result: EvalResult, summary: Summary) -> list[str]:
    """Return what the numbers say, in plain words."""
    counts, macro = result.confusion(), summary.overall["macro_dice"]
    share = summary.overall["pixel_accuracy"].value
    said = [
        f"Of {pixels(int(counts.sum()))} with a known class, {percent(share)} were given the right"
        " one.",
        f" Averaged over the classes, prediction and truth overlap with a Dice of"
        f" {number(macro.value)} (1 is perfect).",
    ]
    if interval(macro):
        said.append(
            f" Had other cases of the same kind been drawn, it would probably lie between"
            f" {interval(macro).replace(' to ', ' and ')} (95 % interval)."
        )
    dice = np.array([measures["dice"].value for measures in summary.classes])
    if np.isfinite(dice).sum() > 1:
        said.append(_say_weakest(result, counts, int(np.nanargmin(dice)), float(np.nanmin(dice))))
    if len(result.by_case()) < FEW_CASES:
        said.append(
            f" With {counted(len(result.by_case()), 'case')} only, all of this is a rough guide."
        )
    return said


def _say_weakest(result: EvalResult, counts: CountArray, weakest: int, dice: float) -> str:
    name = result.class_map[weakest].name
    missed = counts[weakest].astype(np.float64)
    in_truth = missed.sum()
    missed[weakest] = 0
    text = f" The weakest class is {name} (Dice {number(dice)})"
    if not missed.any():
        return text + "."
    other = int(missed.argmax())
    return (
        f"{text}: {percent(missed[other] / in_truth)} of its true pixels were taken for"
        f" {result.class_map[other].name}."
    )


def _class_section(result: EvalResult, summary: Summary) -> Markup:
    bars, rows = [], []
    shares = ratio(result.confusion().sum(axis=1), np.array(result.confusion().sum()))
    for entry, measures in zip(result.class_map, summary.classes, strict=True):
        bar = Bar(entry.name, entry.hex_colour, measures["dice"])
        cells = [
            number_cell(number(measures[key].value), interval(measures[key]))
            for key in _CLASS_MEASURES
        ]
        if entry.index in result.unscored:
            bar = replace(bar, missing=NOT_SCORED)
            cells[0] = number_cell(NOT_SCORED)
        bars.append(bar)
        share = number_cell(percent(float(shares[entry.index])))
        rows.append(row(element("th", swatch(entry), entry.name), share, *cells))
    means = [summary.overall[f"macro_{key}"] for key in _CLASS_MEASURES]
    rows.append(
        row(
            element("th", "Mean over classes"),
            number_cell(""),
            *(number_cell(number(mean.value), interval(mean)) for mean in means),
        )
    )
    headings = [_right(name) for name in ("Share of truth", *_CLASS_MEASURES.values())]
    header = row(element("th", "Class"), *headings, heading=True)
    return section(
        "Classes",
        "Bars show Dice, the overlap of prediction and truth; black lines are 95 % intervals over"
        " cases. Precision: how much of what was predicted is right. Recall: how much of the truth"
        " was found.",
        bar_chart(bars, "Dice per class with 95 % intervals"),
        table(header, rows, class_="wide"),
    )


def _right(text: str) -> Markup:
    return element("th", text, class_="number")


def _picture_section(result: EvalResult, shown: Sequence[PanelCase]) -> Markup | None:
    if not shown:
        return None
    cases = [_case_pictures(case, result) for case in shown]
    seen = {int(index) for case in shown for part in (case.truth, case.mask)
            for index in np.unique(part)}  # fmt: skip
    return section(
        "Cases to look at",
        "Chosen by their own Dice, and for rare classes by how much of the class they hold.",
        legend(
            (entry for entry in result.class_map if entry.index in seen),
            ignored=max(seen) >= len(result.class_map),
        ),
        *cases,
    )


def _case_pictures(case: PanelCase, result: EvalResult) -> Markup:
    *images, truth, mask = draw_pictures(case, result.class_map, _PICTURE_PX)
    caption = f"{case.caption[:1].upper()}{case.caption[1:]}"
    return element(
        "div",
        element("h3", caption, element("span", case.name, class_="name")),
        element(
            "div",
            *(picture(image, "Image", exact=False) for image in images),
            picture(truth, "Truth", exact=True),
            picture(mask, "Prediction", exact=True),
            class_="triple",
        ),
        class_="case",
    )


def _other_measures(summary: Summary) -> Markup | None:
    if not summary.extras:
        return None
    rows = [
        row(
            element("th", extra.name),
            number_cell(extra.text),
            number_cell(extra.spread),
            extra.meaning,
        )
        for extra in summary.extras
    ]
    header = row("Measure", _right("Value"), _right("95 %"), "How to read it", heading=True)
    return section("Outlines, objects, confidence", "", table(header, rows, class_="wide"))


def _case_section(result: EvalResult) -> Markup:
    """List the images from the worst to the best."""
    scored = [(case, result.scores_of(case.confusion)) for case in result.cases]
    scored.sort(key=lambda pair: (math.isnan(pair[1].macro_dice), pair[1].macro_dice))
    rows = [
        row(
            element("th", case.name),
            case.case,
            number_cell(f"{int(case.confusion.sum()):,}"),
            number_cell(number(scores.macro_dice)),
            *(number_cell(number(value)) for value in scores.dice),
        )
        for case, scores in scored[:_MOST_CASES]
    ]
    names = [element("th", swatch(entry), entry.name, class_="number")
             for entry in result.class_map]  # fmt: skip
    header = row("Image", "Case", _right("Pixels"), _right("Macro Dice"), *names, heading=True)
    more = len(scored) - len(rows)
    hint = "From the worst to the best by Dice; a class absent from an image has none there."
    if more > 0:
        hint += f" Another {more} better ones are in scores.csv."
    return section("Image by image", hint, table(header, rows, class_="wide"))


def _sampath_section(summary: Summary) -> Markup:
    rows = [
        row(
            element("th", variant.name.capitalize()),
            *(number_cell(number(value)) for value in variant.scores.values()),
        )
        for variant in summary.sampath
    ]
    names = ("“Dice”, micro", "“IoU”, macro", "“IoU”, micro")
    header = row("Pixels", *map(_right, names), heading=True)
    return section("SAM-Path's figures, not comparable", CAVEAT, table(header, rows))


def _fact_section(result: EvalResult) -> Markup | None:
    facts = {
        name.replace("_", " "): _say(value)
        for name, value in result.facts.items()
        if name not in _UNSHOWN_FACTS
    }
    return section("Facts", "", fact_table(facts)) if facts else None


def _say(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(_say(entry) for entry in value)
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_say(entry)}" for key, entry in value.items())
    return str(value)
