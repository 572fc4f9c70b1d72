"""Letters of names in pictures: all of them are drawn, none is a box."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from PIL import Image, ImageDraw, ImageFont

from dfaseg.classmap import TissueClass
from dfaseg.figures import lettering
from dfaseg.figures.lettering import Font, fitted, font_for, writable, writable_name, write

LACKING = "\uffff"
"""No font has it."""
TUMOUR = TissueClass(3, "腫瘍", (200, 0, 0))


@pytest.fixture
def system_fonts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The files that are looked for, none at first; what was found on this system is forgotten."""
    files: list[str] = []
    monkeypatch.setattr(lettering, "_SYSTEM_FONTS", files)
    caches = (lettering.system_fonts, lettering._best_file, lettering._warn_once)
    for cached in caches:
        cached.cache_clear()
    yield files
    for cached in caches:
        cached.cache_clear()


def write_font(path: Path, letters: str) -> str:
    """Write a font in which each letter is a filled square and what is lacking a low bar."""
    glyphs = {".notdef": 200} | {f"g{index}": 900 for index in range(len(letters))}
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(list(glyphs))
    builder.setupCharacterMap({ord(letter): f"g{index}" for index, letter in enumerate(letters)})
    builder.setupGlyf({name: _box(height) for name, height in glyphs.items()})
    builder.setupHorizontalMetrics(dict.fromkeys(glyphs, (1000, 0)))
    builder.setupHorizontalHeader(ascent=1000, descent=0)
    builder.setupNameTable({"familyName": "Squares", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
    return str(path)


def _box(height: int) -> object:
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, height), (900, height), (900, 0)):
        pen.lineTo(corner)
    pen.closePath()
    return pen.glyph()


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


@pytest.mark.parametrize("size_px", [14, 18])
def test_names_in_all_fonts_stand_on_one_line(
    tmp_path: Path, system_fonts: list[str], size_px: int
) -> None:
    """Beside boxes of one height; fonts have different room above their letters."""
    system_fonts.append(write_font(tmp_path / "a.ttf", "瘍"))

    def last_inked_row(name: str) -> int:
        page = Image.new("RGB", (100, 50), "white")
        write(ImageDraw.Draw(page), (10, 10), name, size_px, (0, 0, 0))
        return int(np.flatnonzero((np.asarray(page) < 128).any(axis=(1, 2)))[-1])

    assert last_inked_row("H") == last_inked_row("Ä") == last_inked_row("瘍")


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


def test_fonts_of_the_system_are_taken_for_other_alphabets(
    tmp_path: Path, system_fonts: list[str]
) -> None:
    """The first that has all letters; most systems in East Asia have one."""
    system_fonts += ["not here.ttf", write_font(tmp_path / "a.ttf", "腫")]
    system_fonts.append(write_font(tmp_path / "b.ttf", "腫瘍"))

    font = font_for("腫瘍", 20)

    assert isinstance(font, ImageFont.FreeTypeFont)
    assert font.path == str(tmp_path / "b.ttf")
    assert writable_name(TUMOUR) == writable("腫瘍") == "腫瘍"


def test_letters_that_no_font_has_are_no_boxes(
    system_fonts: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A class is told by its index, a slide by the rest of its name, and once it is said why."""
    assert not system_fonts
    with caplog.at_level(logging.WARNING):
        assert writable_name(TUMOUR) == "class 3"
        assert writable("腫瘍-2024_Gefäß]") == "?-2024_Gefäß]"

    assert [record.message.split(";")[0] for record in caplog.records] == [
        "pictures: no font on this system has all letters of the names"
    ]


@pytest.mark.parametrize("text", ["W" * 40, "i" * 40, "опухоль " * 6, "tumour"])
def test_text_is_cut_off_where_the_room_ends(text: str) -> None:
    """As drawn: forty letters may be a hundred pixels or eight hundred."""
    line = fitted(text, 19, 200)

    assert font_for(line, 19).getlength(line) <= 200
    assert line == text or line.endswith(("...", "…"))
    assert len(line) > 8 or line == text
