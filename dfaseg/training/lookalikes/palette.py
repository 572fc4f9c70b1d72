"""The colours of a patch: those of its nuclei and those of its eosin."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Colour = NDArray[np.float32]
"""RGB, 0 to 255, shape ``(3,)``."""

GLASS_BRIGHTNESS = 215.0
"""Mean grey value from which on a part of an image is taken for glass, which is no tissue."""
_EVERY_PX = 4
"""Colours are measured in one pixel out of so many, along rows and columns."""
_LEAST_TISSUE_PX = 64
_TYPICAL_NUCLEI, _TYPICAL_EOSIN = (92.0, 52.0, 120.0), (205.0, 140.0, 175.0)
_DARKEST, _REDDEST = 0.04, 0.2
"""Share of the tissue's pixels that colours are the means of."""


@dataclass(frozen=True, slots=True)
class Palette:
    """What made-up tissue is painted with.

    Attributes:
        nuclei: Colour of the darkest tissue.
        eosin: Colour of the reddest tissue.
    """

    nuclei: Colour
    eosin: Colour

    @classmethod
    def of(cls, image: NDArray[np.uint8]) -> "Palette":
        """Measure a patch; where it shows next to no tissue, typical colours are taken.

        Args:
            image: RGB patch, uint8 ``(h, w, 3)``.
        """
        pixels = image[::_EVERY_PX, ::_EVERY_PX].reshape(-1, 3).astype(np.float32)
        grey = pixels.mean(axis=1)
        pixels, grey = pixels[grey < GLASS_BRIGHTNESS], grey[grey < GLASS_BRIGHTNESS]
        if len(pixels) < _LEAST_TISSUE_PX:
            return cls(np.array(_TYPICAL_NUCLEI, np.float32), np.array(_TYPICAL_EOSIN, np.float32))
        redness = pixels[:, 0] - pixels[:, 2]
        darkest = _mean_of_least(pixels, grey, _DARKEST)
        return cls(darkest, _mean_of_least(pixels, -redness, _REDDEST))

    def between(self, share: float) -> Colour:
        """Return a colour between that of eosin (0) and that of nuclei (1)."""
        return self.eosin + np.float32(share) * (self.nuclei - self.eosin)


def find_tissue(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return where a patch is not empty, ``(h, w)``; its small gaps count as tissue."""
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
    return np.asarray(cv2.blur(grey, (7, 7))) < GLASS_BRIGHTNESS


def _mean_of_least(
    pixels: NDArray[np.float32], values: NDArray[np.float32], share: float
) -> Colour:
    count = max(1, int(share * len(values)))
    return np.asarray(pixels[np.argpartition(values, count - 1)[:count]].mean(axis=0), np.float32)
