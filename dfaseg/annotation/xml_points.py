"""Numbers in the attributes of XML."""

from collections.abc import Sequence
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray


def read_number(element: Element, name: str) -> float:
    """Return an attribute that is a number; a comma is a point, as some programs write it.

    Raises:
        ValueError: It is missing or no number.
    """
    text = element.get(name)
    if text is None:
        raise ValueError(f"a coordinate lacks '{name}'")
    return float(text.replace(",", "."))


def read_points(elements: Sequence[Element]) -> NDArray[np.float64]:
    """Return the attributes X and Y of elements, ``(n, 2)``.

    Raises:
        ValueError: One is missing or no number.
    """
    points = [(read_number(one, "X"), read_number(one, "Y")) for one in elements]
    return np.array(points, np.float64).reshape(-1, 2)
