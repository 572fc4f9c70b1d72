"""Blood: red cells side by side, smaller than nuclei are dark, and none of them purple."""

import numpy as np
from numpy.typing import NDArray

from dfaseg.training.lookalikes.cells import scatter
from dfaseg.training.lookalikes.palette import Palette
from dfaseg.training.lookalikes.relief import draw_relief

_SPACING_PX = (4.5, 7.5)


def paint_blood(
    shape: tuple[int, int], palette: Palette, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Paint blood, float32 ``(h, w, 3)``.

    Args:
        shape: Height and width.
        palette: Colours to paint with.
        rng: Source of random numbers.
    """
    density = np.clip(rng.uniform(0.4, 1.2) + 0.2 * draw_relief(shape, rng), 0, 1)
    spacing_px = rng.uniform(*_SPACING_PX)
    cover = scatter(density.astype(np.float32), spacing_px, 0.9 * spacing_px, rng)
    ground = palette.eosin + np.float32(rng.uniform(0.2, 1.0)) * (245 - palette.eosin)
    cells = palette.eosin * np.array([1.0, rng.uniform(0.55, 0.9), rng.uniform(0.5, 0.9)])
    return np.asarray(ground + cover[..., None] * (cells - ground), np.float32)
