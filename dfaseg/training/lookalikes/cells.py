"""Round things of one kind scattered over a patch: nuclei, or red blood cells."""

import cv2
import numpy as np
from numpy.typing import NDArray

_ROW = 0.866
"""Distance of the rows of a hexagonal grid, in distances of its points."""


def scatter(
    density: NDArray[np.float32], spacing_px: float, diameter_px: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Scatter discs, each at a place of its own.

    Args:
        density: Share of the places that are taken, 0 to 1, ``(h, w)``.
        spacing_px: Distance of neighbouring places.
        diameter_px: Mean diameter of the discs.
        rng: Source of random numbers.

    Returns:
        How strongly a disc covers each pixel, 0 to 1, ``(h, w)``.
    """
    rows, cols = _draw_places(density, spacing_px, rng)
    sizes = rng.integers(0, 3, len(rows))
    cover = np.zeros(density.shape, np.uint8)
    for size in range(3):
        marks = np.zeros(density.shape, np.uint8)
        chosen = sizes == size
        marks[rows[chosen], cols[chosen]] = rng.integers(170, 256, int(chosen.sum()))
        cv2.max(cover, cv2.dilate(marks, _disc(diameter_px * (0.8 + 0.2 * size), rng)), cover)
    soft = cv2.GaussianBlur(cover, (0, 0), 0.6)
    return np.asarray(soft, np.float32) / np.float32(255)


def _draw_places(
    density: NDArray[np.float32], spacing_px: float, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns of a shaken hexagonal grid's points, thinned by the density."""
    height, width = density.shape
    beyond = spacing_px  # the shaking brings some back in
    y, x = np.mgrid[0 : height + beyond : _ROW * spacing_px, 0 : width + beyond : spacing_px]
    x[1::2] -= spacing_px / 2
    shaken = np.stack([y, x]) + rng.normal(0, 0.22 * spacing_px, (2, *y.shape))
    rows, cols = np.rint(shaken).astype(np.intp).reshape(2, -1)
    inside = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
    rows, cols = rows[inside], cols[inside]
    taken = rng.random(len(rows)) < density[rows, cols]
    return rows[taken], cols[taken]


def _disc(diameter_px: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a disc, at times a little longer than wide."""
    size = max(2, round(diameter_px))
    longer = size + int(rng.integers(0, 2))
    shape = (size, longer) if rng.random() < 0.5 else (longer, size)
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, shape), np.uint8)
