"""The table of classes that a terminal shows while a network is trained."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise, zip_longest

from rich.table import Table
from rich.text import Text

from dfaseg.cli.columns import widest
from dfaseg.cli.train_status import RunStatus

_SPARKS = "▁▂▃▄▅▆▇"
"""Without the full block, so that the rows stay apart."""
_LEAST_SPAN = 0.1
"""Range of a curve at least, so that noise does not look like a mountain range."""
_SAME = 1e-3
"""Biases that differ by less are shown once."""
_STEADY = 0.005
"""Changes of Dice below this are no trend."""
_TREND_EPOCHS = 3
_GAP = 2
_NAME_ROOM = 23
"""Room that longer names do not claim from curves and bars."""
_CURVES_AND_BARS = ((30, 8), (20, 8), (20, 4), (10, 4), (10, 0), (0, 0))
"""Widths of a curve and of half a bar, from the widest terminal to the narrowest."""
_DELTA, _BIAS = "δ−mean", "b−mean"
_HARD, _EASY = "#e07b00", "#3d8fd1"
"""Orange and blue, which colour-blind people can tell apart on dark and on light ground."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """Widths in characters; 0 leaves a column out.

    Attributes:
        name: The class, its swatch included.
        course: The curve of Dice.
        half: Each half of the bar of a bias.
    """

    name: int
    course: int
    half: int


def class_table(status: RunStatus, width: int, max_rows: int) -> Table:
    """Return one row per class: frequency, Dice and its course, learned bias.

    Args:
        status: The run.
        width: Columns of the terminal.
        max_rows: Rows there is room for; the classes of highest Dice give way.
    """
    biases = _biases(status)
    longest = widest(status.class_map.names)
    layout = _layout(width, len(biases), longest)
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("class", no_wrap=True, width=layout.name)
    for name, columns in (("pixels", 7), ("Dice", 6), ("best", 5)):
        table.add_column(name, justify="right", no_wrap=True, width=columns)
    if layout.course:
        table.add_column("course", no_wrap=True, width=layout.course + 2)
    for name in biases:
        table.add_column(name, justify="right", no_wrap=True, width=6)
        if layout.half:
            # b holds the prior as well: it says what the class gets, not how hard it is.
            left, right = ("easy", "hard") if name == _DELTA else ("less", "more")
            heading = f"{left:>{layout.half}}│{right:<{layout.half}}"
            table.add_column(heading, no_wrap=True, width=2 * layout.half + 1)
    shown = _shown_classes(status, max_rows)
    for index in shown:
        cells = [_bias_cells(values, index, layout.half) for values in biases.values()]
        table.add_row(*_score_cells(status, index, layout.course), *chain.from_iterable(cells))
    hidden = len(status.class_map) - len(shown)
    if hidden:
        table.caption, table.caption_justify = Text(f"and {hidden} more", style="dim"), "left"
    return table


def _layout(width: int, num_biases: int, longest_name: int) -> _Layout:
    """Choose the widest curves and bars that leave room for names; names are shortened last."""
    scores = 7 + 6 + 5 + 3 * _GAP
    for course, half in _CURVES_AND_BARS:
        curve = course + 2 + _GAP if course else 0
        bias = num_biases * (6 + _GAP + (2 * half + 1 + _GAP if half else 0))
        room = width - scores - curve - bias
        if room >= min(longest_name + 3, _NAME_ROOM):
            break
    return _Layout(max(8, min(longest_name + 3, room)), course, half)


def _shown_classes(status: RunStatus, max_rows: int) -> list[int]:
    """Return the classes for which there is room: those of lowest Dice, in index order."""
    indices = list(range(len(status.class_map)))
    if len(indices) <= max_rows:
        return indices
    if status.history:
        dice = status.history[-1].dice
        indices.sort(key=lambda index: (math.isnan(dice[index]), dice[index]))
    return sorted(indices[: max_rows - 1])


def _score_cells(status: RunStatus, index: int, course_width: int) -> Iterator[Text]:
    entry = status.class_map[index]
    name = Text.assemble(("▇▇", entry.hex_colour), " ", " ".join(entry.name.split()))
    name.overflow = "ellipsis"
    yield name
    yield Text(_percent(100 * status.frequencies[index]), style="dim")
    course = [record.dice[index] for record in status.history]
    defined = [value for value in course if not math.isnan(value)]
    best = max(defined, default=math.nan)
    if course:
        yield Text(_number(course[-1]), style="bold" if course[-1] == best else "")
    else:
        yield Text("–", style="dim")
    yield Text(f"{best:.3f}" if defined else "–", style="dim")
    if course_width:
        curve = sparkline(course, course_width)
        yield Text.assemble((curve, entry.hex_colour), " ", _trend(defined))


def _percent(value: float) -> str:
    if 0 < value < 0.01:
        return "<0.01 %"
    return f"{value:.2f} %" if 0 < value < 1 else f"{value:.1f} %"


def _number(value: float) -> str:
    return "absent" if math.isnan(value) else f"{value:.3f}"


def _trend(course: Sequence[float]) -> tuple[str, str]:
    """Return an arrow for the change of the mean of the last epochs, and its style."""
    recent, before = course[-_TREND_EPOCHS:], course[-2 * _TREND_EPOCHS : -_TREND_EPOCHS]
    if not before:
        return " ", ""
    change = sum(recent) / len(recent) - sum(before) / len(before)
    if abs(change) < _STEADY:
        return "→", "dim"
    return ("↗", "green") if change > 0 else ("↘", "red")


def sparkline(course: Sequence[float], width: int) -> str:
    """Return a curve as a row of blocks, the newest value last; a gap where there is none.

    Args:
        course: Values; NaN where not defined.
        width: Characters at most; longer courses are drawn by the mean of neighbours.
    """
    count = len(course)
    columns = min(width, count)
    edges = [column * count // columns for column in range(columns + 1)] if columns else []
    means = [_mean(course[start:stop]) for start, stop in pairwise(edges)]
    defined = [value for value in means if not math.isnan(value)]
    low = min(defined, default=0.0)
    span = max(max(defined, default=0.0) - low, _LEAST_SPAN)
    last = len(_SPARKS) - 1
    blocks = [
        " " if math.isnan(value) else _SPARKS[round(last * (value - low) / span)] for value in means
    ]
    return "".join(blocks).ljust(width)


def _mean(values: Sequence[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else math.nan


def _biases(status: RunStatus) -> dict[str, list[float]]:
    """Return the columns of biases: the learned delta, and b where it holds more than that."""
    if not status.history:
        return {}
    record, num_classes = status.history[-1], len(status.class_map)
    delta, bias = _centred(record.delta, num_classes), _centred(record.bias, num_classes)
    columns = {_DELTA: delta} if delta else {}
    if any(abs(b - d) > _SAME for b, d in zip_longest(bias, delta, fillvalue=0.0) if bias):
        columns[_BIAS] = bias
    return columns


def _centred(values: Sequence[float], num_classes: int) -> list[float]:
    """Return the mean over layers or heads, minus the mean over the classes."""
    sets = [values[i : i + num_classes] for i in range(0, len(values), num_classes)]
    if not sets:
        return []
    means = [sum(column) / len(sets) for column in zip(*sets, strict=True)]
    middle = sum(means) / num_classes
    return [value - middle for value in means]


def _bias_cells(values: Sequence[float], index: int, half: int) -> list[Text]:
    """Return a bias as a number and as a bar to the right (hard) or left (easy) of a middle."""
    value = values[index]
    number = Text(f"{value:+.3f}".replace("-", "−"))
    if not half:
        return [number]
    reach = max(*map(abs, values), 1e-9)
    whole, rest = divmod(round(2 * half * abs(value) / reach), 2)  # in half characters
    if value < 0:
        left = ("╺" * rest + "━" * whole).rjust(half)
        return [number, Text.assemble((left, _EASY), ("│", "dim"))]
    right = "━" * whole + "╸" * rest
    return [number, Text.assemble(" " * half, ("│", "dim"), (right, _HARD))]
