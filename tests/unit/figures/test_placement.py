"""Labels that can be read."""

import itertools

import numpy as np
import pytest
from matplotlib.figure import Figure

from dfaseg.figures.placement import label_line_ends, label_points, spread
from dfaseg.figures.style import house_style


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ([], []),
        ([5.0], [5.0]),
        ([1.0, 9.0], [1.0, 9.0]),
        ([5.0, 5.0], [4.5, 5.5]),
        ([0.0, 0.0, 0.0], [0.0, 1.0, 2.0]),
        ([10.0, 10.2, 3.0], [9.0, 10.0, 3.0]),
        ([-4.0, 20.0], [0.0, 10.0]),
    ],
    ids=["none", "one", "apart", "same place", "at the floor", "at the ceiling", "outside"],
)
def test_positions_move_apart_as_little_as_possible(
    wanted: list[float], expected: list[float]
) -> None:
    """Neighbours keep the gap within the bounds."""
    assert spread(wanted, gap=1.0, low=0.0, high=10.0) == pytest.approx(expected)


def test_crowd_is_spaced_evenly_when_the_gap_does_not_fit() -> None:
    """Too many labels overlap a little, all alike, and stay inside."""
    places = spread([5.0] * 21, gap=1.0, low=0.0, high=10.0)

    assert sorted(places) == pytest.approx(list(np.linspace(0, 10, 21)))


@pytest.mark.parametrize("seed", range(3))
def test_spread_positions_keep_gap_and_order(seed: int) -> None:
    """For any positions: in bounds, a gap apart, in their old order."""
    wanted = list(np.random.default_rng(seed).uniform(0, 10, 8))

    places = spread(wanted, gap=0.9, low=0.0, high=10.0)

    assert min(places) >= -1e-9
    assert max(places) <= 10 + 1e-9
    assert np.diff(np.sort(places)).min() >= 0.9 - 1e-9
    assert list(np.argsort(places)) == list(np.argsort(wanted))


def _overlap(labels: list[object]) -> float:
    boxes = [label.get_window_extent() for label in labels]  # type: ignore[attr-defined]
    return max(
        (
            max(0.0, min(a.x1, b.x1) - max(a.x0, b.x0))
            * max(0.0, min(a.y1, b.y1) - max(a.y0, b.y0))
            for a, b in itertools.combinations(boxes, 2)
        ),
        default=0.0,
    )


def test_names_of_points_in_a_crowd_do_not_overlap() -> None:
    """21 classes, half of them close together."""
    rng = np.random.default_rng(0)
    points = [(float(x), float(y)) for x, y in rng.uniform(0.5, 0.9, (21, 2))]

    with house_style():
        figure = Figure(figsize=(5.2, 4.2), layout="constrained")
        axes = figure.subplots()
        axes.set(xlim=(0, 1), ylim=(0, 1))
        labels = label_points(axes, points, [f"class {i}" for i in range(21)], ["k"] * 21)
        figure.draw_without_rendering()

        assert _overlap(list(labels)) == 0


def test_names_of_lines_that_end_together_do_not_overlap() -> None:
    """Labels beside the axes stay in the order of their lines, inside the figure."""
    ends = [(1.0, 0.5 + i / 1000) for i in range(12)]

    with house_style():
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.subplots()
        axes.set(xlim=(0, 1), ylim=(0, 1))
        label_line_ends(axes, ends, [f"class number {i}" for i in range(12)], ["k"] * 12)
        figure.draw_without_rendering()
        labels = [text for text in axes.texts if text.get_text()]
        boxes = [label.get_window_extent() for label in labels]

        assert _overlap(list(labels)) == 0
        assert [box.y0 for box in boxes] == sorted(box.y0 for box in boxes)
        assert max(box.x1 for box in boxes) <= figure.bbox.width
