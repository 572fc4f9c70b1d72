"""How wide words are drawn: an estimate, because the reader's fonts are not known here."""

_WIDE, _NARROW = frozenset("mwMW@%&#+=<>~±"), frozenset(" .,:;'|!()[]/-fijlrtI")
_LAST_LATIN = "\u024f"
"""Letters of other alphabets are taken for wide ones."""
_EM = {"wide": 1.0, "capital": 0.79, "narrow": 0.42, "other": 0.645}
"""Widest letter of each sort in DejaVu Sans, the widest of the fonts that a report asks for, in
parts of the font's size."""


def text_width(words: str, size: float) -> float:
    """Return a width that words do not exceed, in the unit of the font's size.

    Args:
        words: One line.
        size: Size of the font.
    """
    return size * sum(_EM[_sort(letter)] for letter in words)


def shorten(words: str, size: float, room: float) -> str:
    """Return words that fit into a width; an ellipsis stands for what does not.

    Args:
        words: One line.
        size: Size of the font.
        room: Width, in the same unit.
    """
    if text_width(words, size) <= room:
        return words
    kept = words
    while kept and text_width(kept + "…", size) > room:
        kept = kept[:-1]
    return kept.rstrip() + "…"


def _sort(letter: str) -> str:
    if letter in _WIDE or letter > _LAST_LATIN:
        return "wide"
    if letter in _NARROW:
        return "narrow"
    return "capital" if letter.isupper() else "other"
