"""What all figures have in common: fonts, inks, class colours, and how they become files."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import font_manager, patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dfaseg.classmap import TissueClass
from dfaseg.figures.lettering import system_fonts, writable_name
from dfaseg.files import write_aside

Rgb = tuple[float, float, float]
"""Red, green and blue, each 0 to 1."""

INK = "#262626"
FAINT_INK = "#767676"
RULE = "#d4d4d4"
DPI = 150
WIDTH_IN = 7.2
"""Width of a page's text in most journals."""
MAX_NAME = 30
"""Characters of a class name that are written; the rest would leave no room for the figure."""
MANY_CLASSES = 8
"""Above this, lines are told apart by dashes too."""

_TEXT_CONTRAST = 4.5
"""Least contrast of readable text to its ground, by the Web Content Accessibility Guidelines."""
_FAINT_CONTRAST = 2.2
"""Colours with less contrast to white get a darker outline."""
_DASHES: tuple[Any, ...] = ("solid", (0, (5, 1.5)), (0, (1.5, 1.2)))

_SETTINGS: dict[Any, Any] = {
    "font.size": 8.5,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.labelsize": 8.5,
    "axes.edgecolor": FAINT_INK,
    "axes.linewidth": 0.7,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.5,
    "grid.alpha": 0.7,
    "xtick.color": FAINT_INK,
    "ytick.color": FAINT_INK,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "text.color": INK,
    # A class may be called "$a$"; nothing in these figures is a formula.
    "text.parse_math": False,
    "legend.frameon": False,
    "figure.facecolor": "white",
    # Labels are placed by their size in px: text must be as wide in every file as it was then.
    "figure.dpi": DPI,
    "text.hinting": "none",
    # The same run gives the same file.
    "svg.hashsalt": "dfaseg",
    "svg.fonttype": "path",
}


@dataclass(frozen=True, slots=True)
class ClassStyle:
    """How a class is drawn.

    Attributes:
        label: Its name, shortened if very long; its index if no font has the letters.
        fill: Its own colour.
        ink: The same hue, dark enough for text on white.
        dashes: Line style, in matplotlib's notation.
    """

    label: str
    fill: Rgb
    ink: Rgb
    dashes: Any

    @property
    def is_faint(self) -> bool:
        """Whether the colour is hard to see on white."""
        return _contrast(self.fill) < _FAINT_CONTRAST

    @property
    def edge(self) -> Rgb | str:
        """Colour of the edge of a marker or swatch: darker where the fill is faint."""
        return self.ink if self.is_faint else "white"

    def outline(self, linewidth: float) -> list[patheffects.AbstractPathEffect]:
        """Return effects that make a line of the class visible on white."""
        if not self.is_faint:
            return []
        return [patheffects.withStroke(linewidth=linewidth + 0.9, foreground=self.ink)]


def class_styles(classes: Sequence[TissueClass]) -> list[ClassStyle]:
    """Return one style per class, in index order."""
    use_dashes = len(classes) > MANY_CLASSES
    return [
        ClassStyle(
            shortened(writable_name(entry), MAX_NAME),
            _rgb(entry.colour),
            readable(_rgb(entry.colour)),
            _DASHES[entry.index % len(_DASHES)] if use_dashes else "solid",
        )
        for entry in classes
    ]


@contextmanager
def house_style() -> Iterator[None]:
    """Draw in the style of these figures, and leave the caller's settings as they were."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        mpl.rcParams["font.family"] = _families()
        yield


@cache
def _families() -> list[str]:
    """Return the fonts that have the letters of names, after what ``lettering`` finds."""
    for file in system_fonts():
        font_manager.fontManager.addfont(file)
    return ["DejaVu Sans", *(font_manager.get_font(file).family_name for file in system_fonts())]


def save_figure(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write a figure as PNG and SVG, each whole or not at all.

    Args:
        figure: The figure; drawn in ``house_style``.
        folder: Where to write; must exist.
        name: File name without its ending.

    Returns:
        The two files.

    Raises:
        OutputError: A file cannot be written.
    """
    paths = [folder / f"{name}.png", folder / f"{name}.svg"]
    for path in paths:
        kind = path.suffix.removeprefix(".")
        # Without a date, so that the same run gives the same file.
        metadata = {"Date": None} if kind == "svg" else {"Software": "dfaseg"}
        with write_aside(path) as aside:
            figure.savefig(aside, format=kind, dpi=DPI, metadata=metadata)
    return paths


def subtitle(axes: Axes, text: str) -> None:
    """Write a small line between the title and the axes."""
    axes.set_title(axes.get_title(loc="left"), loc="left", pad=20)
    axes.annotate(
        text,
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, 7),
        textcoords="offset points",
        fontsize=7.5,
        color=FAINT_INK,
        annotation_clip=False,
    )


def plain_number(value: float, _position: float) -> str:
    """Write a tick as 0.01, where matplotlib would write a formula with a power of ten."""
    return f"{value:g}"


def shortened(text: str, length: int) -> str:
    """Return a text of at most ``length`` characters on one line."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"


def readable(colour: Rgb) -> Rgb:
    """Return the colour, darkened as little as text on white needs."""
    low, high = 0.0, 1.0
    if _contrast(colour) >= _TEXT_CONTRAST:
        return colour
    for _ in range(12):  # halving: the shade is found to within 1/4096
        middle = (low + high) / 2
        low, high = (
            (middle, high)
            if _contrast(_shade(colour, middle)) > _TEXT_CONTRAST
            else (
                low,
                middle,
            )
        )
    return _shade(colour, low)


def _shade(colour: Rgb, strength: float) -> Rgb:
    red, green, blue = colour
    return (red * strength, green * strength, blue * strength)


def _contrast(colour: Rgb) -> float:
    """Return the contrast to white, 1 to 21 (Web Content Accessibility Guidelines 2.2)."""
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in colour
    ]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return 1.05 / (luminance + 0.05)


def _rgb(colour: tuple[int, int, int]) -> Rgb:
    red, green, blue = colour
    return (red / 255, green / 255, blue / 255)
