"""Charts as SVG inside the page: they print sharply and take the page's own fonts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dfaseg.evaluation.estimate import Estimate
from dfaseg.evaluation.report.markup import Markup, element, join
from dfaseg.evaluation.report.text_width import shorten, text_width
from dfaseg.evaluation.wording import number

_WIDTH = 936
_NAME_WIDTHS = (210, 340)
"""Width of the column of names at least and at most; longer ones end in an ellipsis."""
_NAME_GAP = 12
_VALUE_WIDTH = 150
_ROW = 34
_TOP = 26
INK, SOFT, RULE = "#22272e", "#5c6672", "#dfe3e8"
_FONT_SIZE = 13.5
_TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a bar chart.

    Attributes:
        name: What is written to its left.
        colour: Fill, as CSS has it.
        estimate: Length and interval, 0 to 1; NaN draws no bar.
        points: Single values that are drawn on it, such as those of seeds.
        missing: What is written where there is no value.
    """

    name: str
    colour: str
    estimate: Estimate
    points: Sequence[float] = ()
    missing: str = "does not occur"


@dataclass(frozen=True, slots=True)
class _Axis:
    """Where bars begin; to the left of it stand their names."""

    left: float

    def x(self, value: float) -> float:
        """Return where a value from 0 to 1 lies."""
        span = _WIDTH - self.left - _VALUE_WIDTH
        return round(self.left + span * min(max(value, 0.0), 1.0), 1)


def bar_chart(bars: Sequence[Bar], label: str) -> Markup:
    """Return horizontal bars from 0 to 1, each with a line from end to end of its interval.

    Args:
        bars: From top to bottom.
        label: What the chart shows, for readers who cannot see it.
    """
    height = _TOP + _ROW * len(bars) + 4
    least, most = _NAME_WIDTHS
    longest = max((text_width(bar.name, _FONT_SIZE) for bar in bars), default=0.0)
    axis = _Axis(min(max(least, math.ceil(longest) + _NAME_GAP), most))
    rows = [_draw_bar(bar, axis, _TOP + _ROW * index) for index, bar in enumerate(bars)]
    return element(
        "svg",
        _draw_grid(axis, height),
        *rows,
        viewBox=f"0 0 {_WIDTH} {height}",
        role="img",
        aria_label=label,
        class_="chart",
        font_size=_FONT_SIZE,
    )


def _draw_grid(axis: _Axis, height: int) -> Markup:
    parts = []
    for tick in _TICKS:
        x = axis.x(tick)
        parts.append(line(x, _TOP - 6, x, height - 4, RULE, 1))
        parts.append(text(x, 13, f"{tick:.1f}", SOFT, anchor="middle", size="12"))
    return join(*parts)


def _draw_bar(bar: Bar, axis: _Axis, top: float) -> Markup:
    middle = top + _ROW / 2
    value, low, high = bar.estimate.value, bar.estimate.low, bar.estimate.high
    parts = [_draw_name(bar.name, axis.left - _NAME_GAP, middle + 5)]
    right = _WIDTH - _VALUE_WIDTH + 16
    if math.isnan(value):
        return join(*parts, text(right, middle + 5, bar.missing, SOFT))
    parts.append(
        element(
            "rect",
            x=axis.x(0),
            y=top + 7,
            width=round(max(axis.x(value) - axis.x(0), 1), 1),
            height=_ROW - 14,
            rx=2.5,
            fill=bar.colour,
            stroke="#000",
            stroke_opacity=0.22,
        )
    )
    if math.isfinite(low) and math.isfinite(high):
        ends = axis.x(low), axis.x(high)
        parts.append(line(ends[0], middle, ends[1], middle, "#fff", 4.6))
        parts.append(line(ends[0], middle, ends[1], middle, INK, 1.8))
        parts += [line(end, middle - 5, end, middle + 5, INK, 1.8) for end in ends]
    parts += [
        element(
            "circle", cx=axis.x(point), cy=middle, r=3, fill="#fff", stroke=INK, stroke_width=1.2
        )
        for point in bar.points
        if math.isfinite(point)
    ]
    parts.append(text(right, middle + 5, number(value), INK, weight="650"))
    if math.isfinite(low) and math.isfinite(high):
        parts.append(text(right + 48, middle + 5, f"{number(low)}–{number(high)}", SOFT, size="12"))
    return join(*parts)


def _draw_name(name: str, right: float, y: float) -> Markup:
    """Draw a name up to where its bar begins; one that is shortened is told when pointed at."""
    shown = shorten(name, _FONT_SIZE, right)
    whole = None if shown == name else element("title", name)
    return text(right, y, join(whole, shown), INK, anchor="end")


def line(
    x1: float,
    y1: float,
    x2: float,
    y2: float,
    colour: str,
    width: float,
    *,
    dashes: str | None = None,
) -> Markup:
    """Return a straight line; dashes as SVG has them."""
    return element(
        "line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=colour, stroke_width=width,
        stroke_dasharray=dashes,
    )  # fmt: skip


def text(
    x: float,
    y: float,
    words: str,
    colour: str,
    *,
    anchor: str = "start",
    size: str | None = None,
    weight: str | None = None,
) -> Markup:
    """Return a word or two; ``(x, y)`` is where they stand on the line, at their ``anchor``."""
    return element(
        "text", words, x=x, y=y, fill=colour, text_anchor=anchor, font_size=size, font_weight=weight
    )
