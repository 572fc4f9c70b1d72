"""Tissue taken apart: the patch's own cells and colours, and nothing of its architecture.

What makes a gland is how its cells lie: in walls around a lumen. Small pieces of the patch, thrown
about and turned, are as dark, as purple and as crowded as glands are and stand for tissue that is
dense for another reason. Drawn out, they lie in layers. Where even the pieces are dissolved, what
is left are the strengths of the waves that an image is the sum of.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from dfaseg.training.lookalikes.relief import draw_direction, draw_relief

Coordinates = NDArray[np.float32]
"""One x and one y for each pixel, ``(h, w, 2)``."""

_PIECE_PX = (8.0, 24.0)
_SEAM = 0.12
"""Width over which neighbouring pieces blend, in sides of a piece."""
_STRETCH = (1.5, 4.0)
_STRETCHED, _DISSOLVED, _GLANDS_ONLY = 0.4, 0.2, 0.6
"""How often pieces are drawn out, dissolved, and taken from glands alone."""


def scramble(
    image: NDArray[np.uint8], is_gland: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return a texture made of a patch, float32 ``(h, w, 3)``.

    Args:
        image: RGB patch, uint8 ``(h, w, 3)``.
        is_gland: Where it shows a gland, ``(h, w)``.
        rng: Source of random numbers.
    """
    if rng.random() < _DISSOLVED:
        return _dissolve(image, rng)
    sources = _find_cells(image, is_gland if rng.random() < _GLANDS_ONLY else ~is_gland)
    where = _draw_layers(is_gland.shape, rng)
    side_px = rng.uniform(*_PIECE_PX)
    (first, inside), (second, other) = (
        _throw_pieces(image, where + offset, sources, side_px, rng)
        for offset in (np.float32(0), np.float32(side_px / 2))
    )
    weight = np.clip(0.5 + (inside - other) / np.float32(_SEAM), 0, 1)[..., None]
    return np.asarray(second + weight * (first - second), np.float32)


def _find_cells(image: NDArray[np.uint8], wanted: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return x and y of the darker half of the wanted pixels, ``(n, 2)``; of all if none is."""
    grey = cv2.blur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (9, 9))
    wanted = wanted if wanted.any() else np.ones_like(wanted)
    rows, cols = np.nonzero(wanted & (grey <= np.median(grey[wanted])))
    return np.column_stack([cols, rows]).astype(np.float32)


def _draw_layers(shape: tuple[int, int], rng: np.random.Generator) -> Coordinates:
    """Return where each pixel lies among the pieces: wavy, and drawn out in some patches."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    waves = [rng.uniform(0, 6) * draw_relief(shape, rng, knots=8, roughness=0) for _ in range(2)]
    where = np.stack([x + waves[0], y + waves[1]], axis=-1)
    if rng.random() < _STRETCHED:
        cosine, sine = draw_direction(rng)
        along = np.array([cosine, sine], np.float32)
        factor = np.float32(1 - 1 / rng.uniform(*_STRETCH))
        where = where - factor * (where @ along)[..., None] * along
    return np.asarray(where, np.float32)


def _throw_pieces(
    image: NDArray[np.uint8],
    where: Coordinates,
    sources: NDArray[np.float32],
    side_px: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fill each square of a grid with a piece from elsewhere, turned by any angle.

    Args:
        image: RGB patch, uint8 ``(h, w, 3)``.
        where: Where each pixel lies among the squares, ``(h, w, 2)``.
        sources: x and y of what may be the middle of a piece, ``(n, 2)``.
        side_px: Side of the squares.
        rng: Source of random numbers.

    Returns:
        The texture, ``(h, w, 3)``, and how far inside its square each pixel lies, 0 to 0.5,
        ``(h, w)``.
    """
    cells = np.floor(where / np.float32(side_px)).astype(np.intp)
    cells -= cells.min(axis=(0, 1))
    cols, rows = cells.max(axis=(0, 1)) + 1
    within = where / np.float32(side_px)
    within -= np.floor(within)  # 0 to 1
    number = cells[..., 1] * cols + cells[..., 0]
    centres = sources[rng.integers(len(sources), size=rows * cols)][number]
    angles = rng.uniform(0, 2 * np.pi, rows * cols).astype(np.float32)
    cosine, sine = np.cos(angles)[number], np.sin(angles)[number]
    x, y = np.moveaxis((within - np.float32(0.5)) * np.float32(side_px), -1, 0)
    pieces = cv2.remap(
        image,
        centres[..., 0] + cosine * x - sine * y,
        centres[..., 1] + sine * x + cosine * y,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    inside = np.minimum(within, 1 - within).min(axis=-1)
    return np.asarray(pieces, np.float32), np.asarray(inside, np.float32)


def _dissolve(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float32]:
    """Give all waves of a patch phases of chance, the same ones in every colour."""
    height, width = image.shape[:2]
    pixels = image.astype(np.float32)
    mean = pixels.mean(axis=(0, 1))
    waves = np.fft.rfft2(pixels - mean, axes=(0, 1))
    chance = np.fft.rfft2(rng.standard_normal((height, width)))
    turns = chance / np.maximum(np.abs(chance), 1e-9)
    dissolved = np.fft.irfft2(waves * turns[..., None], (height, width), axes=(0, 1))
    return np.asarray(dissolved + mean, np.float32)
