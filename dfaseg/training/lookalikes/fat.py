"""Fat: large empty cells that touch one another, with thin pink walls and hardly a nucleus."""

import cv2
import numpy as np
from numpy.typing import NDArray

from dfaseg.training.lookalikes.palette import Palette

_CELL_PX = (18.0, 70.0)


def paint_fat(
    shape: tuple[int, int], palette: Palette, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Paint fat, float32 ``(h, w, 3)``.

    Args:
        shape: Height and width.
        palette: Colours to paint with.
        rng: Source of random numbers.
    """
    cells = _number_cells(shape, rng.uniform(*_CELL_PX), rng)
    walls = _between(cells)
    thickness = int(rng.integers(1, 4))
    if thickness > 1:
        walls = np.asarray(cv2.dilate(walls, np.ones((thickness, thickness), np.uint8)), np.uint8)
    cover = np.asarray(cv2.GaussianBlur(walls, (0, 0), rng.uniform(0.5, 1.0)), np.float32) / 255
    empty = np.float32(rng.uniform(222, 250)) + rng.uniform(-5, 5, 3).astype(np.float32)
    wall = palette.between(rng.uniform(0, 0.35))
    return np.asarray(empty + cover[..., None] * (wall - empty), np.float32)


def _number_cells(
    shape: tuple[int, int], cell_px: float, rng: np.random.Generator
) -> NDArray[np.int32]:
    """Give each pixel the number of the nearest of some random points."""
    is_far = np.ones(shape, np.uint8)
    count = max(2, round(shape[0] * shape[1] / cell_px**2))
    is_far[rng.integers(0, shape[0], count), rng.integers(0, shape[1], count)] = 0
    _, numbers = cv2.distanceTransformWithLabels(
        is_far, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    return np.asarray(numbers, np.int32)


def _between(cells: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Return 255 where a pixel's cell is not that of its neighbour to the right or below."""
    walls = np.zeros(cells.shape, np.uint8)
    walls[:, :-1] |= cells[:, :-1] != cells[:, 1:]
    walls[:-1] |= cells[:-1] != cells[1:]
    return walls * np.uint8(255)
