"""Fonts for names in pictures, and what is written where no font has their letters."""

import logging
import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import ImageFont
from PIL.ImageDraw import ImageDraw
from PIL.ImageFont import FreeTypeFont

from dfaseg.classmap import TissueClass

_WIDE_FONT = Path("mpl-data", "fonts", "ttf", "DejaVuSans.ttf")
"""Place in matplotlib, which is installed anyway and need not be loaded for it."""
_SYSTEM_FONTS = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKsc-Regular.otf",
    "NotoSansCJKjp-Regular.otf",
    "NotoSansCJKkr-Regular.otf",
    "wqy-zenhei.ttc",
    "wqy-microhei.ttc",
    "DroidSansFallbackFull.ttf",
    "ipaexg.ttf",
    "NanumGothic.ttf",
    "Hiragino Sans GB.ttc",
    "AppleSDGothicNeo.ttc",
    "NotoSansThai-Regular.ttf",
    "NotoSansDevanagari-Regular.ttf",
    "FreeSans.ttf",
    "Arial Unicode.ttf",
)
"""Files that systems have for other alphabets. Pillow looks for them where fonts are kept."""
_LACKING = "\uffff"
"""No font has it."""
_PROBE_PX = 20

Font = FreeTypeFont | ImageFont.ImageFont

log = logging.getLogger(__name__)


def font_for(text: str, size_px: int) -> Font:
    """Return a font that has the letters of a text, or most of them.

    Pillow's own has those of ASCII only. DejaVu Sans has Latin, Greek and Cyrillic ones; for others
    the fonts of the system are searched.

    Args:
        text: What will be written.
        size_px: Height of the letters, as Pillow counts it.
    """
    file, _ = _best_file(text)
    return _load(file, size_px)


def write(
    draw: ImageDraw, place: tuple[float, float], text: str, size_px: int, ink: tuple[int, int, int]
) -> None:
    """Write a text so that its letters stand on the line on which those of other fonts do.

    Args:
        draw: Where to write.
        place: Left edge, and top of the line as Pillow's own font counts it.
        text: What to write.
        size_px: Height of the letters, as Pillow counts it.
        ink: Their colour.
    """
    font, own = font_for(text, size_px), _load(None, size_px)
    left, top = place
    if isinstance(font, FreeTypeFont) and isinstance(own, FreeTypeFont):
        top += own.getmetrics()[0] - font.getmetrics()[0]
    draw.text((left, top), text, fill=ink, font=font)


def writable(text: str) -> str:
    """Return a text with a question mark in place of letters that its font lacks."""
    _, lacking = _best_file(text)
    if not lacking:
        return text
    _warn_once()
    return re.sub(f"[{re.escape(lacking)}]+", "?", text)


def writable_name(entry: TissueClass) -> str:
    """Return a class's name, or its index if no font has the name's letters."""
    return entry.name if writable(entry.name) == entry.name else f"class {entry.index}"


def fitted(text: str, size_px: int, room_px: float) -> str:
    """Return a text that is no wider than there is room; dots stand for what was cut off."""
    line, kept = text, text
    while kept and font_for(line, size_px).getlength(line) > room_px:
        kept = kept[:-1]
        line = kept.rstrip() + ("..." if kept.isascii() else "…")
    return line


@cache
def system_fonts() -> tuple[str, ...]:
    """Return the files of fonts for other alphabets that are on this system."""
    return tuple(_found(_SYSTEM_FONTS))


def _found(names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        try:
            yield str(ImageFont.truetype(name, _PROBE_PX).path)
        except OSError:
            continue


@cache
def _best_file(text: str) -> tuple[str | None, str]:
    """Return the file of the font that lacks the fewest letters, and these letters.

    None is Pillow's own font.
    """
    if text.isascii():
        return None, ""
    best: tuple[str | None, str] = None, text
    for file in _wide_fonts():
        lacking = "".join(sorted({letter for letter in text if not _has(file, letter)}))
        if best[0] is None or len(lacking) < len(best[1]):
            best = file, lacking
        if not lacking:
            break
    return best


def _wide_fonts() -> Iterator[str]:
    """Yield DejaVu Sans, and what the system has once that is not enough."""
    spec = find_spec("matplotlib")
    for folder in (spec and spec.submodule_search_locations) or ():
        if (path := Path(folder, _WIDE_FONT)).is_file():
            yield str(path)
    yield from system_fonts()


def _has(file: str, letter: str) -> bool:
    return letter.isspace() or _drawn(file, letter) != _drawn(file, _LACKING)


@cache
def _drawn(file: str, letter: str) -> bytes:
    return bytes(_load(file, _PROBE_PX).getmask(letter))


@cache
def _load(file: str | None, size_px: int) -> Font:
    return ImageFont.load_default(size_px) if file is None else ImageFont.truetype(file, size_px)


@cache
def _warn_once() -> None:
    log.warning(
        "pictures: no font on this system has all letters of the names; a question mark or the "
        "class's index stands for them; install one that has, such as Noto Sans CJK"
    )
