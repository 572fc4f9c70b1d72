"""The canvas of the sample slide: stain densities, textures, and the optics that show them.

Everything is drawn into two maps of stain density, haematoxylin and eosin, and becomes colour only
at the end, by the Beer-Lambert law, as on a real slide. The maps hold integers, so that the picture
does not depend on the machine's vector units or on the number of threads.
"""

import functools
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dfaseg.slide.synthetic.shapes import SUBPIXEL_BITS, Points, fixed_point

HAEMATOXYLIN_OD = (0.98, 1.36, 0.45)
"""Optical density (R, G, B) of 100 units of haematoxylin, as seen in nuclei."""
EOSIN_OD = (0.10, 0.66, 0.25)
"""Optical density (R, G, B) of 100 units of eosin."""
GLASS_RGB = (243, 241, 244)
"""What the camera sees through bare glass."""


@dataclass(frozen=True, slots=True)
class Stains:
    """Density of the two stains, uint8 ``(h, w)`` each; 100 units absorb as the constants say."""

    haematoxylin: NDArray[np.uint8]
    eosin: NDArray[np.uint8]

    @classmethod
    def clear(cls, width: int, height: int) -> "Stains":
        """Return glass without any stain."""
        shape = (height, width)
        return cls(np.zeros(shape, np.uint8), np.zeros(shape, np.uint8))

    @property
    def shape(self) -> tuple[int, int]:
        """``(h, w)`` in pixels."""
        height, width = self.eosin.shape
        return height, width

    def fill(self, haematoxylin: int, eosin: int, *outlines: Points) -> None:
        """Replace both stains inside an outline, ``(k, 2)``, or between an outer and inner one."""
        corners = [fixed_point(outline) for outline in outlines]
        cv2.fillPoly(self.haematoxylin, corners, haematoxylin, cv2.LINE_AA, SUBPIXEL_BITS)
        cv2.fillPoly(self.eosin, corners, eosin, cv2.LINE_AA, SUBPIXEL_BITS)

    def scale(self, haematoxylin: NDArray[np.uint8], eosin: NDArray[np.uint8]) -> None:
        """Multiply the stains by textures in which 128 means one."""
        cv2.multiply(self.haematoxylin, haematoxylin, self.haematoxylin, 1 / 128)
        cv2.multiply(self.eosin, eosin, self.eosin, 1 / 128)

    def soften(self, sigma_px: float) -> None:
        """Blur both stains, as tissue above and below the focus does."""
        for plane in (self.haematoxylin, self.eosin):
            cv2.GaussianBlur(plane, (5, 5), sigma_px, plane)

    def cut(self, tissue: NDArray[np.uint8]) -> None:
        """Keep the stains only where ``tissue``, ``(h, w)``, is 255."""
        for plane in (self.haematoxylin, self.eosin):
            cv2.multiply(plane, tissue, plane, 1 / 255)


def cloud(
    rng: np.random.Generator, shape: tuple[int, int], grain_px: int, amplitude: int
) -> NDArray[np.uint8]:
    """Return smooth noise around 128.

    Args:
        rng: Source of the grains.
        shape: ``(h, w)`` of the texture.
        grain_px: Size of its grains in pixels.
        amplitude: Largest deviation from 128, at most 127.
    """
    coarse = (shape[0] // grain_px + 2, shape[1] // grain_px + 2)
    grains = rng.integers(128 - amplitude, 129 + amplitude, coarse, dtype=np.uint8)
    if grain_px > 2:  # interpolation alone would show the lattice
        grains = np.asarray(cv2.GaussianBlur(grains, (3, 3), 0.7), np.uint8)
    size = (coarse[1] * grain_px, coarse[0] * grain_px)
    smooth = cv2.resize(grains, size, interpolation=cv2.INTER_LINEAR_EXACT)
    return np.ascontiguousarray(smooth[: shape[0], : shape[1]], np.uint8)


def develop(stains: Stains) -> NDArray[np.uint8]:
    """Return the RGB picture, ``(h, w, 3)``, that white light gives behind the stained tissue."""
    index = stains.haematoxylin.astype(np.uint16) * 256 + stains.eosin
    return np.take(_light_behind_stains(), index, axis=0)


@functools.cache
def _light_behind_stains() -> NDArray[np.uint8]:
    """Return the colour of every pair of densities, ``(256 * 256, 3)``."""
    amounts = np.arange(256) / 100
    haematoxylin = amounts[:, None, None] * np.array(HAEMATOXYLIN_OD)
    eosin = amounts[None, :, None] * np.array(EOSIN_OD)
    light = np.array(GLASS_RGB) * np.exp(-haematoxylin - eosin)  # (haematoxylin, eosin, rgb)
    table: NDArray[np.uint8] = np.rint(light).astype(np.uint8).reshape(-1, 3)
    return table


def photograph(rng: np.random.Generator, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Add what a scanner adds to an RGB picture: blur, the sharpening against it, and noise."""
    soft = cv2.GaussianBlur(picture, (3, 3), 0.6)
    softer = cv2.GaussianBlur(soft, (5, 5), 1.2)
    sharp = cv2.addWeighted(soft, 1.5, softer, -0.5, 0)
    grain = rng.integers(0, 7, picture.shape, dtype=np.uint8)
    return np.asarray(cv2.subtract(cv2.add(sharp, grain), np.full_like(grain, 3)), np.uint8)
