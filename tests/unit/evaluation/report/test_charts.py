"""Bar charts have room for the names of classes and methods."""

import re
from html import unescape
from pathlib import Path

import matplotlib as mpl
import pytest
from PIL import ImageFont

from dfaseg.evaluation.report.charts import Bar, bar_chart
from dfaseg.evaluation.report.markup import Markup
from dfaseg.evaluation.report.text_width import shorten
from dfaseg.evaluation.summary import Estimate

WIDEST_FONT = Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
"""Of the fonts that a report asks for."""
LONG = "High-grade INTRAEPITHELIAL NEOPLASIA with invasion of the MUSCULARIS mucosae"


def chart(*names: str) -> Markup:
    """Return a chart of bars of half its length."""
    return bar_chart([Bar(name, "#123456", Estimate(0.5)) for name in names], "bars")


@pytest.mark.parametrize(
    "name",
    [
        "Gland",
        "Normal epithelium of the crypts",
        "TUMOUR-INFILTRATING LYMPHOCYTES (TIL)",
        "WWWWWWWWWW MMMMMMMMMM mmmmmmmmmm",
        "none, focal_dice, lr_factor 20 = 4.5e-3 % of all",
        LONG,
    ],
)
def test_name_begins_within_the_chart(name: str) -> None:
    """Measured in the widest font: what is drawn up to ``x`` is no wider than that."""
    found = re.search(
        r'<text x="([\d.]+)"[^>]* text-anchor="end">(?:<title>.*?</title>)?(.*?)<', chart(name)
    )

    assert found is not None
    font = ImageFont.truetype(WIDEST_FONT, 135)
    assert font.getlength(unescape(found[2])) / 10 <= float(found[1])


def test_name_that_is_cut_is_told_when_pointed_at() -> None:
    """An ellipsis stands for the rest; a name that fits is written once."""
    drawn = chart(LONG, "Gland")

    assert f"<title>{LONG}</title>{LONG[:20]}" in drawn
    assert drawn.count("…") == drawn.count("<title>") == 1
    assert "Normal epithelium of the crypts<" in chart("Normal epithelium of the crypts")


def test_bars_begin_where_the_longest_name_ends() -> None:
    """All of a chart at the same place, and with short names where they always did."""
    starts = [re.findall(r'<rect x="([\d.]+)"', drawn)
              for drawn in (chart("Gland", "Other"), chart("Gland", LONG))]  # fmt: skip

    assert [float(start) for start in starts[0]] == [210, 210]
    assert [float(start) for start in starts[1]] == [340, 340]


def test_shortened_words_end_in_an_ellipsis() -> None:
    """And in no space before it; letters of other alphabets count as wide."""
    assert shorten("tumour cells", 10, 100) == "tumour cells"
    assert shorten("tumour cells", 10, 58) == "tumour…"
    assert shorten("腫瘍細胞", 10, 35) == "腫瘍…"
