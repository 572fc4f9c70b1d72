"""A case as pictures: image, truth and prediction in the colours of their classes."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dfaseg.classmap import IGNORE_INDEX, ClassMap
from dfaseg.errors import ConfigError

_STRIPES = (226, 196)
"""Two greys of the hatching of ignored pixels."""
_STRIPE_SHARE = 45
"""Stripes of ignored pixels per side of a picture."""


@dataclass(frozen=True, slots=True)
class PanelCase:
    """One row of the panel.

    Attributes:
        name: Name of the image.
        image: RGB, uint8 ``(h, w, 3)``; None where only truth and mask are known.
        truth: True class indices, uint8 ``(h, w)``, 255 = ignore.
        mask: Predicted class indices, uint8 ``(h, w)``, 255 = not analysed.
        caption: Why the case is shown, and how well it went.
    """

    name: str
    image: NDArray[np.uint8] | None
    truth: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    caption: str = ""

    def __post_init__(self) -> None:
        shown = self.truth if self.image is None else self.image
        if not shown.shape[:2] == self.truth.shape == self.mask.shape:
            raise ConfigError(
                f"panel: image, truth and mask of '{self.name}' differ in size; give one frame"
            )


def draw_pictures(case: PanelCase, class_map: ClassMap, longest_px: int) -> list[NDArray[np.uint8]]:
    """Return image, if there is one, truth and prediction as RGB of one size.

    Each is uint8 ``(h, w, 3)``.

    Args:
        case: The case.
        class_map: Its classes; they give the colours.
        longest_px: Longer side of the pictures.
    """
    height, width = case.truth.shape
    scale = longest_px / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    shrinking = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    images = [] if case.image is None else [case.image]
    indices = [
        cv2.resize(m, size, interpolation=cv2.INTER_NEAREST) for m in (case.truth, case.mask)
    ]
    return [
        *(np.asarray(cv2.resize(i, size, interpolation=shrinking), np.uint8) for i in images),
        *(_coloured(np.asarray(m, np.uint8), class_map) for m in indices),
    ]


def _coloured(indices: NDArray[np.uint8], class_map: ClassMap) -> NDArray[np.uint8]:
    """Return a label or mask in its classes' colours, ignored pixels hatched in grey."""
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(class_map)] = [entry.colour for entry in class_map]
    picture = palette[indices]
    height, width = indices.shape
    diagonal = np.arange(height)[:, None] + np.arange(width)
    stripe_px = max(1, max(height, width) // (2 * _STRIPE_SHARE))
    stripes = np.asarray(_STRIPES, np.uint8)[diagonal // stripe_px % 2]
    is_ignored = indices == IGNORE_INDEX
    picture[is_ignored] = stripes[is_ignored][:, None]
    return np.asarray(picture, np.uint8)
