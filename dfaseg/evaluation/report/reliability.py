"""Whether the model's confidence can be believed: reliability diagram and table."""

from dfaseg.evaluation.calibration import Bin, CalibrationCounts
from dfaseg.evaluation.report.charts import INK, RULE, SOFT, line, text
from dfaseg.evaluation.report.markup import Markup, element, join, row, table
from dfaseg.evaluation.report.page import number_cell, section
from dfaseg.evaluation.wording import percent

_SIDE = 360
"""Side of the square in which accuracy stands over confidence."""
_LEFT, _TOP, _RIGHT = 50, 12, 12
_SHARES_TOP = _TOP + _SIDE + 46
_SHARES_HEIGHT = 64
_HEIGHT = _SHARES_TOP + _SHARES_HEIGHT + 24
_WIDTH = _LEFT + _SIDE + _RIGHT
_TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_RIGHT_COLOUR, _GAP_COLOUR = "#58b2ac", "#f09650"


def reliability_section(counts: CalibrationCounts | None) -> Markup | None:
    """Return the reliability diagram and its table; None without a pixel."""
    if counts is None or not counts.pixels.any():
        return None
    filled = [entry for entry in counts.bins() if entry.pixels]
    return section(
        "How far its confidence can be believed",
        "Pixels are sorted by the probability of the class they were given. Where the model is"
        " right as often as it is sure, bars end on the dashed line; orange is the gap. Below: how"
        " many pixels there are of each confidence.",
        element("p", _sentence(counts)),
        element("div", _diagram(filled, int(counts.pixels.sum())), _table(filled), class_="pair"),
    )


def _sentence(counts: CalibrationCounts) -> str:
    sure, right = counts.mean_confidence, counts.accuracy
    kind = "surer than it is right" if sure > right else "less sure than it is right"
    return (
        f"On average the model is {percent(sure)} sure of a pixel and right in {percent(right)}:"
        f" it is {kind}. The expected calibration error, the mean gap over the pixels, is"
        f" {percent(counts.expected_error)}. With much easy tissue, doubts about rare classes"
        " hardly show in it."
    )


def _diagram(bins: list[Bin], num_pixels: int) -> Markup:
    return element(
        "svg",
        _axes(),
        *(_bar(entry) for entry in bins),
        line(_x(0), _y(0), _x(1), _y(1), INK, 1.4, dashes="5 4"),
        *(_share(entry, num_pixels) for entry in bins),
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label="Share of right pixels by confidence",
        class_="reliability",
        font_size="13",
    )


def _axes() -> Markup:
    parts = []
    for tick in _TICKS:
        parts += [
            line(_x(tick), _y(0), _x(tick), _y(1), RULE, 1),
            line(_x(0), _y(tick), _x(1), _y(tick), RULE, 1),
            text(_x(tick), _y(0) + 17, f"{tick:.1f}", SOFT, anchor="middle", size="12"),
            text(_LEFT - 8, _y(tick) + 4, f"{tick:.1f}", SOFT, anchor="end", size="12"),
        ]
    middle = _y(0.5)
    return join(
        *parts,
        text(_x(0.5), _y(0) + 36, "confidence", SOFT, anchor="middle", size="12.5"),
        element(
            "text", "share that is right", x=14, y=middle, fill=SOFT, text_anchor="middle",
            font_size="12.5", transform=f"rotate(-90 14 {middle})",
        ),
        line(_x(0), _SHARES_TOP + _SHARES_HEIGHT, _x(1), _SHARES_TOP + _SHARES_HEIGHT, RULE, 1),
        text(
            _x(0.5), _SHARES_TOP + _SHARES_HEIGHT + 17, "share of the pixels", SOFT,
            anchor="middle", size="12.5",
        ),
    )  # fmt: skip


def _bar(entry: Bin) -> Markup:
    """Draw the right share of a bin, and the gap to its mean confidence."""
    low, high = sorted((entry.accuracy, entry.confidence))
    left, width = _x(entry.low) + 1, _x(entry.high) - _x(entry.low) - 2
    return join(
        _box(left, _y(entry.accuracy), width, _y(0) - _y(entry.accuracy), _RIGHT_COLOUR, 0.85),
        _box(left, _y(high), width, max(_y(low) - _y(high), 1), _GAP_COLOUR, 0.6),
    )


def _share(entry: Bin, num_pixels: int) -> Markup:
    height = max(_SHARES_HEIGHT * entry.pixels / num_pixels, 0.8)
    left, width = _x(entry.low) + 1, _x(entry.high) - _x(entry.low) - 2
    return _box(left, _SHARES_TOP + _SHARES_HEIGHT - height, width, height, SOFT, 0.75)


def _box(x: float, y: float, width: float, height: float, colour: str, opacity: float) -> Markup:
    sizes = {"x": x, "y": y, "width": width, "height": height}
    rounded = {name: round(value, 1) for name, value in sizes.items()}
    return element("rect", fill=colour, fill_opacity=opacity, **rounded)


def _x(value: float) -> float:
    return round(_LEFT + _SIDE * value, 1)


def _y(value: float) -> float:
    return round(_TOP + _SIDE * (1 - value), 1)


def _table(bins: list[Bin]) -> Markup:
    rows = [
        row(
            element("th", f"{_edge(entry.low)}–{_edge(entry.high)} %"),
            number_cell(f"{entry.pixels:,}"),
            number_cell(percent(entry.confidence)),
            number_cell(percent(entry.accuracy)),
        )
        for entry in bins
    ]
    headings = [element("th", name, class_="number") for name in ("Pixels", "Sure", "Right")]
    return table(row("Confidence", *headings, heading=True), rows)


def _edge(share: float) -> str:
    return f"{100 * share:.0f}"
