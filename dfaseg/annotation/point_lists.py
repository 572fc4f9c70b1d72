"""Nested lists of points, as JSON writes them, made into arrays without a Python object each."""

import json
import re
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NUMBER_TEXT = b"0123456789+-.eE \t\r\n"
_BRACKETS = bytes.maketrans(b"[]", b"  ")
_RING = re.compile(rb"\[P(?:,P)*\]")
_EMPTY = re.compile(rb"\[\s*\]\s*,|,?\s*\[\s*\]")
"""An empty list and the comma that parts it from its neighbour."""
_PIECE_BYTES = 1 << 20
"""Text made into numbers at a time, by way of Python's own."""


def parse_points(text: bytes | bytearray) -> Any:
    """Parse a list of points, or lists of such lists in any depth.

    Args:
        text: JSON of numbers in brackets, points innermost, all of as many coordinates.

    Returns:
        Float arrays ``(n, d)`` of points, in lists as in the text; a point alone is ``(1, d)``.
        Empty lists are left out; what holds no point at all is one.

    Raises:
        ValueError: It is something else.
    """
    if not text.lstrip().startswith(b"["):
        raise ValueError("a list of points is something else")
    structure = text.translate(None, _NUMBER_TEXT)
    if not text.strip(b"[], \t\r\n"):
        return []
    if b"[]" in structure:
        text, num_empty = _EMPTY.subn(b"", text)
        if num_empty:
            return parse_points(text)
    leaf = structure[structure.rfind(b"[", 0, structure.find(b"]")) : structure.find(b"]") + 1]
    points = structure.replace(leaf, b"P")
    if leaf.strip(b"[,]") or points.strip(b"[,]P"):
        raise ValueError("a coordinate is not a number")
    sizes: list[int] = []

    def number(match: re.Match[bytes]) -> bytes:
        sizes.append((len(match[0]) - 1) // 2)
        return b"%d" % (len(sizes) - 1)

    nesting = _RING.sub(number, b"[P]" if points == b"P" else points)
    if b"P" in nesting or b"[]" in nesting:
        raise ValueError("its points are not lists of as many numbers each")
    values = _parse_numbers(text).reshape(-1, leaf.count(b",") + 1)
    bounds = [0, *accumulate(sizes)]
    return _arrange(json.loads(nesting), [values[a:b] for a, b in pairwise(bounds)])


def _parse_numbers(text: bytes | bytearray) -> NDArray[np.float64]:
    parts, start = [], 0
    while start <= len(text):
        end = text.find(b",", start + _PIECE_BYTES)
        end = len(text) if end < 0 else end
        numbers = text[start:end].translate(_BRACKETS).split(b",")
        parts.append(np.fromiter(map(float, numbers), np.float64, len(numbers)))
        start = end + 1
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _arrange(nesting: Any, rings: list[NDArray[np.float64]]) -> Any:
    if isinstance(nesting, int):
        return rings[nesting]
    return [_arrange(one, rings) for one in nesting]
