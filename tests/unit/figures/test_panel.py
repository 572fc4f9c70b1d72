"""Image, truth and prediction side by side."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from dfaseg.classmap import ClassMap
from dfaseg.errors import ConfigError
from dfaseg.figures import panel
from dfaseg.figures.case_pictures import PanelCase
from dfaseg.figures.panel import draw_panel

CLASSES = ClassMap.from_records(
    [
        {"index": i, "name": name, "colour": colour}
        for i, (name, colour) in enumerate(
            (("stroma", "#c80000"), ("tumour", "#00c800"), ("fat", "#0000c8"))
        )
    ]
)


def _case(height: int = 20, width: int = 30) -> PanelCase:
    truth = np.zeros((height, width), np.uint8)
    truth[:5] = 255
    return PanelCase(
        "a.png", np.full((height, width, 3), 90, np.uint8), truth, np.ones_like(truth), "best"
    )


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Figures, kept in place of files."""
    figures: list[Figure] = []

    def keep(figure: Figure, folder: Path, name: str) -> list[Path]:
        figures.append(figure)
        return [folder / f"{name}.png"]

    monkeypatch.setattr(panel, "save_figure", keep)
    return figures


def test_panel_has_three_pictures_per_case(drawn: list[Figure], tmp_path: Path) -> None:
    """Image, truth and prediction, titled, each case named, all of one size."""
    draw_panel([_case(), _case(40, 20)], CLASSES, tmp_path / "panel.png")

    (figure,) = drawn
    assert len(figure.axes) == 6
    assert [text.get_text() for text in figure.texts] == ["Image", "Truth", "Prediction"]
    assert [text.get_text() for text in figure.axes[3].texts] == ["Best", "a.png"]


def test_truth_is_in_class_colours_and_ignored_pixels_are_hatched(
    drawn: list[Figure], tmp_path: Path
) -> None:
    """Grey stripes where nothing was judged, the class's colour elsewhere."""
    draw_panel([_case()], CLASSES, tmp_path / "panel.png")

    truth = drawn[0].axes[1].images[0].get_array()
    top, bottom = truth[: len(truth) // 5], truth[len(truth) // 2 :]
    assert np.unique(top).tolist() == [196, 226]
    assert np.unique(bottom.reshape(-1, 3), axis=0).tolist() == [[200, 0, 0]]


def test_legend_names_what_is_seen_once(drawn: list[Figure], tmp_path: Path) -> None:
    """No entry for a class that no picture shows."""
    draw_panel([_case(), _case()], CLASSES, tmp_path / "panel.png")

    (legend,) = drawn[0].legends
    assert [text.get_text() for text in legend.get_texts()] == ["stroma", "tumour", "ignored"]


def test_panel_is_written_as_png_and_svg(tmp_path: Path) -> None:
    """Both kinds, nothing left aside."""
    paths = draw_panel([_case()], CLASSES, tmp_path / "panel.png")

    assert [path.name for path in paths] == ["panel.png", "panel.svg"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["panel.png", "panel.svg"]


def test_pictures_of_different_sizes_are_refused() -> None:
    """What is not of one frame cannot be compared."""
    pixels = np.zeros((4, 4), np.uint8)

    with pytest.raises(ConfigError, match=r"'a\.png' differ in size"):
        PanelCase("a.png", np.zeros((4, 5, 3), np.uint8), pixels, pixels)


def test_empty_panel_is_refused(tmp_path: Path) -> None:
    """An empty figure is a mistake of the caller."""
    with pytest.raises(ConfigError, match="no case to show"):
        draw_panel([], CLASSES, tmp_path / "panel.png")
