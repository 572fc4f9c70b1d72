"""The panel image | truth | prediction, one row per case."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from dfaseg.classmap import IGNORE_INDEX, ClassMap
from dfaseg.errors import ConfigError
from dfaseg.training.plots.style import (
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
_STRIPES = (226, 196)
"""Two greys of the hatching of ignored pixels."""
_STRIPE_SHARE = 45
"""Stripes of ignored pixels per side of a picture."""


@dataclass(frozen=True, slots=True)
class PanelCase:
    """One row of the panel.

    Attributes:
        name: Name of the image.
        image: RGB, uint8 ``(h, w, 3)``.
        truth: True class indices, uint8 ``(h, w)``, 255 = ignore.
        mask: Predicted class indices, uint8 ``(h, w)``, 255 = not analysed.
        caption: Why the case is shown, and how well it went.
    """

    name: str
    image: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    caption: str = ""

    def __post_init__(self) -> None:
        if not self.image.shape[:2] == self.truth.shape == self.mask.shape:
            raise ConfigError(
                f"panel: image, truth and mask of '{self.name}' differ in size; give one frame"
            )


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
        for column, picture in enumerate(_pictures(case, class_map)):
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
        shortened(words, 70), (0, 1), xycoords="axes fraction", xytext=(0, 3),
        textcoords="offset points", fontsize=8, color=INK, annotation_clip=False,
    )  # fmt: skip
    axes.annotate(
        shortened(case.name, 50), (1, 0), xycoords=caption, xytext=(6 if words else 0, 0),
        textcoords="offset points", va="bottom", fontsize=8, color=FAINT_INK,
        annotation_clip=False,
    )  # fmt: skip


def _show(axes: Axes, picture: NDArray[np.uint8]) -> None:
    axes.imshow(picture, interpolation="auto", aspect="equal")
    axes.set(xticks=[], yticks=[], anchor="W")
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set(visible=True, color="#9a9a9a", linewidth=0.5)


def _pictures(case: PanelCase, class_map: ClassMap) -> list[NDArray[np.uint8]]:
    """Return image, truth and prediction as RGB of one size."""
    height, width = case.truth.shape
    scale = _CELL_PX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    shrinking = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    image = np.asarray(cv2.resize(case.image, size, interpolation=shrinking), np.uint8)
    indices = [
        cv2.resize(m, size, interpolation=cv2.INTER_NEAREST) for m in (case.truth, case.mask)
    ]
    return [image, *(_coloured(np.asarray(m, np.uint8), class_map) for m in indices)]


def _coloured(indices: NDArray[np.uint8], class_map: ClassMap) -> NDArray[np.uint8]:
    """Return a label or mask in its classes' colours, ignored pixels hatched in grey."""
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(class_map)] = [entry.colour for entry in class_map]
    picture = palette[indices]
    height, width = indices.shape
    diagonal = np.arange(height)[:, None] + np.arange(width)
    stripe_px = max(1, max(height, width) // (2 * _STRIPE_SHARE))
    stripes = np.asarray(_STRIPES, np.uint8)[diagonal // stripe_px % 2]
    is_ignored = indices == IGNORE_INDEX
    picture[is_ignored] = stripes[is_ignored][:, None]
    return np.asarray(picture, np.uint8)


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
