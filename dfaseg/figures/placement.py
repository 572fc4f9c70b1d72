"""Where labels go so that they can be read: no two on top of each other."""

from collections.abc import Sequence

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from numpy.typing import NDArray

from dfaseg.figures.style import Rgb

Box = tuple[float, float, float, float]
"""Left, bottom, right and top, in display px."""

_RADII = (7.0, 12.0, 18.0, 26.0, 36.0, 48.0, 62.0)
"""Distances from a point at which its label is tried, in points (1/72 inch)."""
_NUM_DIRECTIONS = 16
_LEADER_FROM = 10.0
"""Labels farther away than this get a line to their point, in points."""


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move positions apart so that neighbours keep a gap, and as little as possible.

    Args:
        wanted: Positions, in any order and unit.
        gap: Least distance of neighbours.
        low: Lowest position allowed.
        high: Highest; if there is no room for the gap between, all are evenly spaced.

    Returns:
        New positions in the order of ``wanted``; neighbours stay in their order.
    """
    if not wanted:
        return []
    count = len(wanted)
    gap = min(gap, (high - low) / max(count - 1, 1))
    order = np.argsort(wanted, kind="stable")
    # With i gaps taken off, "apart by a gap" reads "not falling", and the closest such sequence
    # is found by pooling neighbours that fall (isotonic regression).
    level = np.clip(np.asarray(wanted, float)[order], low, high) - gap * np.arange(count)
    blocks: list[tuple[float, int]] = []
    for value in level:
        blocks.append((float(value), 1))
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            (mean, size), (lower_mean, lower_size) = blocks.pop(), blocks.pop()
            total = size + lower_size
            blocks.append(((mean * size + lower_mean * lower_size) / total, total))
    pooled = np.repeat([mean for mean, _ in blocks], [size for _, size in blocks])
    pooled = np.clip(pooled, low, high - gap * (count - 1)) + gap * np.arange(count)
    positions = np.empty(count)
    positions[order] = pooled
    return [float(value) for value in positions]


def label_line_ends(
    axes: Axes, ends: Sequence[tuple[float, float]], texts: Sequence[str], inks: Sequence[Rgb | str]
) -> None:
    """Write each line's name to the right of the axes, at the height where the line ends.

    Args:
        axes: Axes of a figure with constrained layout; limits are final.
        ends: Last point of each line, in data units.
        texts: Names.
        inks: Text colours.
    """
    labels = [
        axes.annotate(
            text, (1.0, y), xycoords=("axes fraction", "data"), xytext=(16, 0),
            textcoords="offset points", va="center", fontsize=7.5, color=ink,
            annotation_clip=False,
        )
        for text, (_, y), ink in zip(texts, ends, inks, strict=True)
    ]  # fmt: skip
    if not labels:
        return
    figure = axes.get_figure(root=True)
    assert isinstance(figure, Figure)
    _settle(figure)
    px_per_point = figure.dpi / 72
    bottom, top = axes.transAxes.transform([(0, 0), (0, 1)])[:, 1]
    anchors = [float(axes.transData.transform(end)[1]) for end in ends]
    height = max(label.get_window_extent().height for label in labels)
    heights = spread(anchors, 1.02 * height, bottom, top)
    for label, (_, y), anchor, place, ink in zip(labels, ends, anchors, heights, inks, strict=True):
        offset = (place - anchor) / px_per_point
        label.set_position((16, offset))
        _draw_leader(axes, y, offset, ink)


def _settle(figure: Figure) -> None:
    """Lay the figure out for good: what is placed by the px must not move afterwards."""
    engine = figure.get_layout_engine()
    if engine is None:
        return
    for _ in range(2):  # the first round gives labels outside the axes too little room
        engine.execute(figure)
    figure.set_layout_engine("none")


def _draw_leader(axes: Axes, y: float, offset: float, ink: Rgb | str) -> None:
    """Lead the eye from the edge of the axes to a label that had to move."""
    axes.annotate(
        "", (1.0, y), xycoords=("axes fraction", "data"), xytext=(14, offset),
        textcoords="offset points", annotation_clip=False,
        arrowprops={"arrowstyle": "-", "color": ink, "linewidth": 0.6, "alpha": 0.6,
                    "shrinkA": 0, "shrinkB": 2},
    )  # fmt: skip


def label_points(
    axes: Axes,
    points: Sequence[tuple[float, float]],
    texts: Sequence[str],
    inks: Sequence[Rgb | str],
) -> list[Annotation]:
    """Write a name beside each point, clear of the other points and names.

    Each label takes the nearest free place round its point, points in crowds first; where none is
    free, the one that covers least.

    Args:
        axes: Axes; limits and layout are final.
        points: In data units.
        texts: Names.
        inks: Text colours.
    """
    figure = axes.get_figure(root=True)
    assert isinstance(figure, Figure)
    _settle(figure)
    px_per_point = figure.dpi / 72
    centres = np.asarray([axes.transData.transform(point) for point in points]).reshape(-1, 2)
    labels = [
        axes.annotate(
            text, point, xytext=(0, 0), textcoords="offset points", fontsize=7.5, color=ink,
            ha="center", va="center", annotation_clip=False,
            path_effects=[patheffects.withStroke(linewidth=2, foreground="white")],
        )
        for text, point, ink in zip(texts, points, inks, strict=True)
    ]  # fmt: skip
    radius = 4.5 * px_per_point
    taken: list[Box] = [(x - radius, y - radius, x + radius, y + radius) for x, y in centres]
    left, bottom, right, top = (float(side) for side in axes.get_window_extent().extents)
    frame = (left, bottom, right, top)
    for index in _crowded_first(centres):
        extent = labels[index].get_window_extent()
        half = np.array([extent.width, extent.height]) / 2
        offset, box = _find_place(centres[index], half, taken, frame, px_per_point)
        taken.append(box)
        labels[index].set_position((offset[0] / px_per_point, offset[1] / px_per_point))
        _link(axes, points[index], centres[index], box, inks[index], px_per_point)
    return labels


def _crowded_first(centres: NDArray[np.float64]) -> list[int]:
    distances = np.linalg.norm(centres[:, None] - centres[None], axis=2)
    return [int(index) for index in np.argsort(np.sort(distances, axis=1)[:, :4].sum(axis=1))]


def _find_place(
    centre: NDArray[np.float64],
    half: NDArray[np.float64],
    taken: Sequence[Box],
    frame: Box,
    px_per_point: float,
) -> tuple[NDArray[np.float64], Box]:
    """Return the offset of a label of size ``2 * half`` from its point, and the box it takes."""
    best: tuple[float, NDArray[np.float64], Box] | None = None
    for radius in _RADII:
        for turn in range(_NUM_DIRECTIONS):
            angle = 2 * np.pi * turn / _NUM_DIRECTIONS
            direction = np.array([np.cos(angle), np.sin(angle)])
            # The label's near edge, not its middle, keeps the distance.
            offset = direction * radius * px_per_point + np.sign(direction.round(9)) * half * (
                np.abs(direction) > 0.3
            )
            low, high = centre + offset - half, centre + offset + half
            box = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
            cost = sum(_overlap(box, other) for other in taken) + _outside(box, frame)
            if best is None or cost < best[0] - 1e-9:
                best = (cost, offset, box)
        if best is not None and best[0] == 0:
            break
    assert best is not None
    return best[1], best[2]


def _link(
    axes: Axes,
    point: tuple[float, float],
    centre: NDArray[np.float64],
    box: Box,
    ink: Rgb | str,
    px_per_point: float,
) -> None:
    """Draw a line from a point to its label where the label is not right beside it."""
    near = np.clip(centre, box[:2], box[2:])
    offset = (near - centre) / px_per_point
    if np.linalg.norm(offset) < _LEADER_FROM:
        return
    axes.annotate(
        "", point, xytext=(offset[0], offset[1]), textcoords="offset points",
        annotation_clip=False,
        arrowprops={"arrowstyle": "-", "color": ink, "linewidth": 0.5, "alpha": 0.6,
                    "shrinkA": 0, "shrinkB": 4},
    )  # fmt: skip


def _overlap(box: Box, other: Box) -> float:
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    return max(width, 0.0) * max(height, 0.0)


def _outside(box: Box, frame: Box) -> float:
    """Return the label's area outside the frame; it counts more than what it covers."""
    inside = _overlap(box, frame)
    return 4 * ((box[2] - box[0]) * (box[3] - box[1]) - inside)
