"""Inks that can be read, settings that stay at home."""

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from dfaseg.classmap import TissueClass
from dfaseg.errors import OutputError
from dfaseg.figures.style import class_styles, house_style, readable, save_figure


@pytest.mark.parametrize("colour", [(1.0, 1.0, 1.0), (0.94, 0.89, 0.26), (0.34, 0.71, 0.91)])
def test_light_colours_are_darkened_for_text(colour: tuple[float, float, float]) -> None:
    """Same hue, darker, and never black."""
    ink = readable(colour)

    assert all(0 < dark < light for dark, light in zip(ink, colour, strict=True))
    assert ink[0] / colour[0] == pytest.approx(ink[2] / colour[2])


def test_dark_colours_stay_as_they_are() -> None:
    """Nothing is changed without need."""
    assert readable((0.1, 0.2, 0.3)) == (0.1, 0.2, 0.3)


def test_only_faint_lines_get_an_outline() -> None:
    """Yellow on white needs one, red does not."""
    yellow, red = class_styles(
        [TissueClass(0, "yellow", (240, 228, 66)), TissueClass(1, "red", (193, 18, 31))]
    )

    assert yellow.outline(1.5)
    assert yellow.edge == yellow.ink
    assert not red.outline(1.5)


def test_many_classes_differ_in_dashes_too() -> None:
    """Colour alone does not carry 21 classes."""
    few = class_styles([TissueClass(i, f"k{i}", (0, 0, 0)) for i in range(8)])
    many = class_styles([TissueClass(i, f"k{i}", (0, 0, 0)) for i in range(21)])

    assert {str(style.dashes) for style in few} == {"solid"}
    assert len({str(style.dashes) for style in many}) == 3


def test_settings_of_the_caller_are_left_alone() -> None:
    """Importing and drawing changes no global setting."""
    with mpl.rc_context({"font.size": 33.0}):
        with house_style():
            assert mpl.rcParams["font.size"] < 12

        assert mpl.rcParams["font.size"] == 33.0


def test_unusual_names_are_drawn_as_they_are() -> None:
    """A dollar sign starts no formula, a line break no second line."""
    (style,) = class_styles([TissueClass(0, "a $x^$\nb", (0, 0, 0))])

    assert style.label == "a $x^$ b"
    with house_style():
        figure = Figure(figsize=(1, 1))
        text = figure.text(0.5, 0.5, style.label)
        figure.draw_without_rendering()
        assert not text.get_parse_math()


def test_folder_that_is_missing_is_named(tmp_path: object) -> None:
    """One line that says which file could not be written."""
    with house_style(), pytest.raises(OutputError, match=r"loss\.png': cannot be written"):
        save_figure(Figure(figsize=(1, 1)), tmp_path / "nowhere", "loss")  # type: ignore[operator]
