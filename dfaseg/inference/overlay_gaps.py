"""What of a slide could not be read, as the overlay picture shows it: hatched, unlike glass."""

import cv2
import numpy as np
from numpy.typing import NDArray

_SPACING_PX = 9
"""From one line of the hatch to the next, along a row: three fit a legend's box."""
_HALF_LINE_PX = 1.3
_PAPER, _LINE = 228, 105
"""Greys of what lies between the lines, and of these and the outline."""
_PAPER_OPACITY = 0.6
"""Pixels of a coarser level may be there, and are still seen."""
_DISC = np.ones((3, 3), np.uint8)


def hatched(picture: NDArray[np.uint8], is_unreadable: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return a picture with what could not be read hatched and outlined.

    Args:
        picture: RGB, shape ``(h, w, 3)``.
        is_unreadable: Where, shape ``(h, w)``.
    """
    area = is_unreadable.astype(np.uint8)
    cover = np.maximum(_lines(*area.shape), cv2.dilate(area, _DISC) - cv2.erode(area, _DISC))
    paper = cv2.addWeighted(
        picture, 1 - _PAPER_OPACITY, np.full_like(picture, _PAPER), _PAPER_OPACITY, 0
    )
    drawn = np.rint(paper + cover[..., None] * (_LINE - paper.astype(np.float32)))
    # Grown by the outline, or one tile of a large slide would be a single pixel.
    grown = cv2.dilate(area, _DISC)
    return np.asarray(cv2.copyTo(drawn.astype(np.uint8), grown, picture.copy()), np.uint8)


def _lines(height: int, width: int) -> NDArray[np.float32]:
    """Return how much of each pixel diagonal lines cover; neighbouring areas share them."""
    place = np.add.outer(np.arange(height), np.arange(width)) % _SPACING_PX
    distance = np.abs(place - _SPACING_PX // 2)
    return np.asarray(np.clip(_HALF_LINE_PX + 0.5 - distance, 0, 1), np.float32)
