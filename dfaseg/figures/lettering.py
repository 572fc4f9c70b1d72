"""Fonts for words that are drawn into pictures of slides."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import ImageFont
from PIL.ImageFont import FreeTypeFont

_WIDE_FONT = Path("mpl-data", "fonts", "ttf", "DejaVuSans.ttf")
"""Place in matplotlib, which is installed anyway and need not be loaded for it."""

Font = FreeTypeFont | ImageFont.ImageFont


def font_for(text: str, size_px: int) -> Font:
    """Return a font that has the letters of a text.

    Pillow's own has those of ASCII only. Names with others, Latin, Greek or Cyrillic, are written
    in DejaVu Sans; what that lacks, too, becomes boxes.

    Args:
        text: What will be written.
        size_px: Height of the letters, as Pillow counts it.
    """
    return _load(size_px, is_wide=not text.isascii())


@cache
def _load(size_px: int, *, is_wide: bool) -> Font:
    spec = find_spec("matplotlib") if is_wide else None
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder, _WIDE_FONT)
        if path.is_file():
            return ImageFont.truetype(path, size_px)
    return ImageFont.load_default(size_px)
