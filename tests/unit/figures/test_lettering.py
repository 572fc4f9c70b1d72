"""Letters of names in pictures: all of them are drawn, none is a box."""

import subprocess
import sys

import pytest
from PIL import ImageFont

from dfaseg.figures.lettering import Font, font_for

LACKING = "\uffff"
"""No font has it."""


def _drawn(font: Font, letter: str) -> bytes:
    return bytes(font.getmask(letter))


@pytest.mark.parametrize("text", ["Gefäß", "Łódź", "Épithélium", "опухоль", "β-cells, µm"])
def test_names_of_other_languages_have_their_letters(text: str) -> None:
    """Pillow's own font draws the same box for each of them."""
    font = font_for(text, 20)

    letters = [letter for letter in text if not letter.isspace()]
    assert all(_drawn(font, letter) != _drawn(font, LACKING) for letter in letters)


def test_plain_names_look_as_ever() -> None:
    """The font of the other words in the picture."""
    assert _drawn(font_for("stroma", 20), "s") == _drawn(ImageFont.load_default(20), "s")


def test_font_is_found_without_loading_matplotlib() -> None:
    """Which would take as long as all else of `dfaseg tile`."""
    program = (
        "import sys; from dfaseg.figures.lettering import font_for; font_for('ä', 20);"
        " print('matplotlib' in sys.modules)"
    )

    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert loaded.stdout.strip() == "False"
