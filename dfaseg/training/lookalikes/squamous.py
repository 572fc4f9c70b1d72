"""Stratified squamous epithelium: sheets of cells that flatten and turn into keratin.

At its base nuclei are many and the sheet is dark; towards the surface they become few, and beyond
lie pink lamellae without any. There is no lumen anywhere.
"""

import numpy as np
from numpy.typing import NDArray

from dfaseg.training.lookalikes.cells import scatter
from dfaseg.training.lookalikes.palette import Palette
from dfaseg.training.lookalikes.relief import draw_direction, draw_relief

_THICKNESS_PX = (40.0, 400.0)
_SPACING_PX = (7.0, 13.0)
_LAMELLA_PX = (2.0, 7.0)
_CLEFT = 1.3
"""Height of a lamella from which on it may be torn open."""


def paint_squamous(
    shape: tuple[int, int], palette: Palette, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Paint a sheet of squamous epithelium, float32 ``(h, w, 3)``.

    Args:
        shape: Height and width.
        palette: Colours to paint with.
        rng: Source of random numbers.
    """
    height_px = _height_over_base(shape, rng)
    start = rng.uniform(-0.3, 0.8)  # some patches lie all in the cells, others all in keratin
    maturity = np.clip(start + height_px / np.float32(rng.uniform(*_THICKNESS_PX)), 0, 1)
    base = palette.between(rng.uniform(0.2, 0.85))
    keratin = palette.between(rng.uniform(-0.15, 0.5))
    pixels = base + maturity[..., None] * (keratin - base)
    _draw_lamellae(pixels, height_px, maturity, rng)
    _draw_cells(pixels, maturity, palette, rng)
    return np.asarray(pixels, np.float32)


def _height_over_base(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the distance from a wavy base along one direction, in pixels, about the middle."""
    cosine, sine = draw_direction(rng)
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    straight = cosine * (x - shape[1] / 2) + sine * (y - shape[0] / 2)
    waves = draw_relief(shape, rng, knots=int(rng.integers(3, 8)), roughness=0)
    return np.asarray(straight + rng.uniform(0, 25) * waves, np.float32)


def _draw_lamellae(
    pixels: NDArray[np.float32],
    height_px: NDArray[np.float32],
    maturity: NDArray[np.float32],
    rng: np.random.Generator,
) -> None:
    """Draw fine light and dark bands, some torn open, where the sheet is keratin."""
    shape = (height_px.shape[0], height_px.shape[1])
    waves = rng.uniform(0, 6) * draw_relief(shape, rng, knots=16, roughness=0)
    steps = (height_px + waves) / rng.uniform(*_LAMELLA_PX)
    heights = rng.standard_normal(int(np.ptp(steps)) + 2)
    bands = np.interp(steps - steps.min(), np.arange(len(heights)), heights)
    bands *= 0.6 + 0.4 * draw_relief(shape, rng, knots=12, roughness=0)
    strength = np.clip(2.5 * maturity - 1, 0, 1)
    pixels += (rng.uniform(5, 30) * strength * bands).astype(np.float32)[..., None]
    if rng.random() < 0.4:
        torn = np.clip(4 * (bands - _CLEFT), 0, 1) * strength
        pixels += torn.astype(np.float32)[..., None] * (np.float32(240) - pixels)


def _draw_cells(
    pixels: NDArray[np.float32],
    maturity: NDArray[np.float32],
    palette: Palette,
    rng: np.random.Generator,
) -> None:
    """Draw nuclei, fewer the higher they lie, each with a pale rim in some of the patches."""
    spacing_px = rng.uniform(*_SPACING_PX)
    density = np.clip(rng.uniform(1.0, 1.6) - rng.uniform(1.2, 2.2) * maturity, 0, 1)
    nuclei = scatter(density, spacing_px, rng.uniform(0.45, 0.75) * spacing_px, rng)
    if rng.random() < 0.5:
        rim = np.clip(1 - np.abs(2 * nuclei - 1), 0, 1) * np.float32(rng.uniform(0, 25))
        pixels += rim[..., None]
    colour = palette.between(rng.uniform(0.9, 1.25))
    pixels += (np.float32(rng.uniform(0.5, 0.9)) * nuclei)[..., None] * (colour - pixels)
