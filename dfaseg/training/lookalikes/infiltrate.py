"""Dense inflammation: small round dark nuclei scattered over background tissue.

Lymphocytes are about 7 µm across. Crowds of them are as dark as a tumour, but form neither walls
nor lumina.
"""

import numpy as np
from numpy.typing import NDArray

from dfaseg.training.lookalikes.cells import scatter
from dfaseg.training.lookalikes.palette import Palette, find_tissue
from dfaseg.training.lookalikes.relief import draw_relief

_SPACING_PX = (5.0, 10.0)
_DIAMETER = (0.6, 0.9)
"""Diameter of the nuclei in distances of their places."""


def infiltrate(
    image: NDArray[np.uint8],
    label: NDArray[np.uint8],
    background: int,
    palette: Palette,
    rng: np.random.Generator,
) -> None:
    """Scatter nuclei over the background tissue of a patch; labels stay as they are.

    Args:
        image: RGB patch, uint8 ``(h, w, 3)``; changed in place.
        label: Its classes, uint8 ``(h, w)``.
        background: Class of the tissue that is infiltrated.
        palette: Colours of the patch.
        rng: Source of random numbers.
    """
    stroma = (label == background) & find_tissue(image)
    if not stroma.any():
        return
    relief = draw_relief(label.shape, rng, roughness=0.3)
    density = np.clip(rng.uniform(0.2, 3.0) * (relief + rng.uniform(-0.5, 1.5)), 0, 1) * stroma
    spacing_px = rng.uniform(*_SPACING_PX)
    cover = scatter(density, spacing_px, rng.uniform(*_DIAMETER) * spacing_px, rng) * stroma
    haze = np.float32(rng.uniform(0, 0.4)) * density
    pixels = image.astype(np.float32)
    pixels += haze[..., None] * (palette.between(rng.uniform(0.3, 0.7)) - pixels)
    nuclei = palette.nuclei * np.float32(rng.uniform(0.75, 1.15))
    pixels += (np.float32(rng.uniform(0.75, 1)) * cover)[..., None] * (nuclei - pixels)
    image[:] = np.clip(pixels, 0, 255)
