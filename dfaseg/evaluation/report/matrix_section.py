"""Section that shows which class was taken for which."""

import math

import numpy as np

from dfaseg.evaluation.records import ratio
from dfaseg.evaluation.report.markup import Markup, element, row, table
from dfaseg.evaluation.report.page import section, swatch
from dfaseg.evaluation.report.text_width import text_width
from dfaseg.evaluation.results import EvalResult
from dfaseg.evaluation.wording import percent

_UPRIGHT_PX = 680
"""Room on an upright page of A4 or Letter, which is the wider one, less the margins."""
_FONT_PX, _CELL_PX, _PADDING_PX, _NAMES_PX = 13.5, 64, 28, 122
_PADDING_EM, _NAMES_EM = 1.0, 11.0
"""Of the style sheet: padding and borders of a cell, and the column of names."""


def confusion_section(result: EvalResult) -> Markup:
    """Return the counts of truth against prediction, in percent and in pixels."""
    counts = result.confusion()
    shares = ratio(counts, counts.sum(axis=1, keepdims=True))
    percents = [[percent(value) for value in line] for line in shares]
    amounts = [[f"{value:,}" for value in line] for line in counts.tolist()]
    return section(
        "What was taken for what",
        "Rows are the truth, columns the prediction: first the percent of each true class, then the"
        " pixels themselves. Teal is right, orange is wrong.",
        element(
            "div",
            _matrix("Percent of the true class", result, shares, percents),
            _matrix("Pixels", result, shares, amounts),
            class_="pair",
        ),
        class_="broad" if _width_px(result, amounts) > _UPRIGHT_PX else None,
    )


def _matrix(title: str, result: EvalResult, shares: np.ndarray, texts: list[list[str]]) -> Markup:
    names = [element("th", name) for name in result.class_map.names]
    corner = element("th", "truth ↓ prediction →", class_="corner")
    rows = []
    for entry in result.class_map:
        cells = [
            element("td", text, style=_shade(share, right=entry.index == column))
            for column, (text, share) in enumerate(
                zip(texts[entry.index], shares[entry.index], strict=True)
            )
        ]
        rows.append(row(element("th", swatch(entry), entry.name), *cells))
    style = f"--ems:{_width_em(texts):.0f}"
    content = table(row(corner, *names, heading=True), rows, class_="matrix", style=style)
    return element("div", element("h3", title), content)


def _shade(share: float, *, right: bool) -> str:
    """Return a ground that is stronger for larger shares; text on it stays readable."""
    if not math.isfinite(share):
        return "background:#f5f7f9;color:#5c6672"
    red, green, blue = (88, 178, 172) if right else (240, 150, 80)
    # A root: small shares of errors are what one looks for.
    strength = share if right else math.sqrt(share)
    mixed = (round(255 + (part - 255) * strength) for part in (red, green, blue))
    return "background:#" + "".join(f"{part:02x}" for part in mixed)


def _width_px(result: EvalResult, texts: list[list[str]]) -> float:
    """Return how wide a matrix is drawn at most."""
    words = [max(name.split(), key=len, default="") for name in result.class_map.names]
    columns = zip(words, *texts, strict=True)
    wide = (max(text_width(text, _FONT_PX) for text in column) for column in columns)
    return _NAMES_PX + sum(max(_CELL_PX, width + _PADDING_PX) for width in wide)


def _width_em(texts: list[list[str]]) -> float:
    """Return how wide a matrix is in print with upright headings, in the size of its font."""
    wide = (max(text_width(text, 1) for text in column) for column in zip(*texts, strict=True))
    return _NAMES_EM + sum(width + _PADDING_EM for width in wide)
