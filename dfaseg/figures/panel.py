"""The panel image | truth | prediction, one row per case."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from dfaseg.classmap import IGNORE_INDEX, ClassMap
from dfaseg.errors import ConfigError
from dfaseg.figures.case_pictures import PanelCase, draw_pictures
from dfaseg.figures.lettering import writable
from dfaseg.figures.style import (
    FAINT_INK,
    INK,
    WIDTH_IN,
    ClassStyle,
    class_styles,
    house_style,
    save_figure,
    shortened,
)

_COLUMNS = ("Image", "Truth", "Prediction")
_GAP_IN = 0.08
_MARGIN_IN = 0.12
_CAPTION_IN = 0.22
_LEGEND_ROW_IN = 0.168
_TALLEST = 1.4
"""Height of a picture at most, as a multiple of its column's width."""
_CELL_PX = 700
"""Longer side of a picture at most: fine enough for print, and a file that can be mailed."""


def draw_panel(cases: Sequence[PanelCase], class_map: ClassMap, path: Path) -> list[Path]:
    """Draw image, truth and prediction side by side, one row per case.

    Args:
        cases: At least one.
        class_map: The classes.
        path: Where to write; its ending is replaced by .png and .svg.

    Raises:
        ConfigError: There is no case.
        OutputError: A file cannot be written.
    """
    if not cases:
        raise ConfigError("panel: no case to show; choose at least one")
    styles = class_styles(tuple(class_map))
    with house_style():
        handles = _legend_handles(cases, styles)
        figure = _lay_out(cases, class_map, handles)
        return save_figure(figure, path.parent, path.stem)


def _lay_out(cases: Sequence[PanelCase], class_map: ClassMap, handles: Sequence[Patch]) -> Figure:
    """Place everything by inches from the top: titles, rows, legend."""
    width = (WIDTH_IN - 2 * _MARGIN_IN - 2 * _GAP_IN) / len(_COLUMNS)
    heights = [width * min(c.truth.shape[0] / c.truth.shape[1], _TALLEST) for c in cases]
    per_row = _legend_columns(handles)
    legend = _LEGEND_ROW_IN * math.ceil(len(handles) / per_row) + _MARGIN_IN
    total = 0.34 + sum(heights) + len(cases) * (_CAPTION_IN + _GAP_IN) + legend
    figure = Figure(figsize=(WIDTH_IN, total))
    top = total - 0.22
    for column, title in enumerate(_COLUMNS):
        left = _MARGIN_IN + column * (width + _GAP_IN)
        figure.text(left / WIDTH_IN, top / total, title, fontsize=9.5, fontweight="bold")
    for case, height in zip(cases, heights, strict=True):
        top -= _CAPTION_IN
        top -= height
        pictures = draw_pictures(case, class_map, _CELL_PX)
        for column, picture in enumerate(pictures, len(_COLUMNS) - len(pictures)):
            left = _MARGIN_IN + column * (width + _GAP_IN)
            box = (left / WIDTH_IN, top / total, width / WIDTH_IN, height / total)
            axes = figure.add_axes(box)
            _show(axes, picture)
            if column == 0:
                _write_caption(axes, case)
        top -= _GAP_IN
    figure.legend(
        handles=handles, loc="lower left", ncols=per_row, fontsize=8, borderaxespad=0,
        bbox_to_anchor=(_MARGIN_IN / WIDTH_IN, 0.07 / total), handlelength=1.4, handleheight=1.0,
        columnspacing=1.4, borderpad=0,
    )  # fmt: skip
    return figure


def _write_caption(axes: Axes, case: PanelCase) -> None:
    """Write above a picture why the case is shown, and its name."""
    words = f"{case.caption[:1].upper()}{case.caption[1:]}"
    caption = axes.annotate(
        shortened(writable(words), 70), (0, 1), xycoords="axes fraction", xytext=(0, 3),
        textcoords="offset points", fontsize=8, color=INK, annotation_clip=False,
    )  # fmt: skip
    axes.annotate(
        shortened(writable(case.name), 50), (1, 0), xycoords=caption, xytext=(6 if words else 0, 0),
        textcoords="offset points", va="bottom", fontsize=8, color=FAINT_INK,
        annotation_clip=False,
    )  # fmt: skip


def _show(axes: Axes, picture: NDArray[np.uint8]) -> None:
    axes.imshow(picture, interpolation="auto", aspect="equal")
    axes.set(xticks=[], yticks=[], anchor="W")
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set(visible=True, color="#9a9a9a", linewidth=0.5)


def _legend_handles(cases: Sequence[PanelCase], styles: Sequence[ClassStyle]) -> list[Patch]:
    """Return a swatch for each class that is seen, and for ignored pixels if there are any."""
    seen = {int(i) for case in cases for m in (case.truth, case.mask) for i in np.unique(m)}
    handles = [
        Patch(facecolor=style.fill, edgecolor=FAINT_INK, linewidth=0.4, label=style.label)
        for index, style in enumerate(styles)
        if index in seen
    ]
    if IGNORE_INDEX in seen:
        grey = "#e2e2e2"
        swatch = Patch(facecolor=grey, edgecolor="#9a9a9a", hatch="////", label="ignored")
        swatch.set_linewidth(0.4)
        handles.append(swatch)
    return handles


def _legend_columns(handles: Sequence[Patch]) -> int:
    """Return how many entries fit side by side, at 0.06 inch per character."""
    longest = max((len(str(handle.get_label())) for handle in handles), default=1)
    return max(1, min(len(handles), int((WIDTH_IN - 2 * _MARGIN_IN) / (0.06 * longest + 0.45))))
