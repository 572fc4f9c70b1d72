"""Paints lookalikes into patches, as often as the settings say."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.training.lookalikes.blood import paint_blood
from dfaseg.training.lookalikes.fat import paint_fat
from dfaseg.training.lookalikes.infiltrate import infiltrate
from dfaseg.training.lookalikes.palette import Palette
from dfaseg.training.lookalikes.relief import draw_area, draw_grain
from dfaseg.training.lookalikes.scrambled import scramble
from dfaseg.training.lookalikes.squamous import paint_squamous
from dfaseg.training.spec import AugmentSpec

Paint = Callable[[tuple[int, int], Palette, np.random.Generator], NDArray[np.float32]]
"""Makes a texture of some height and width from colours and chance."""

_WHOLE = 0.4
"""How often a texture covers all of a patch."""


class LookalikePainter:
    """Adds what is easily taken for a gland to patches.

    Args:
        spec: How often each kind is added.
        background: Class that all of it is labelled as.
    """

    def __init__(self, spec: AugmentSpec, background: int) -> None:
        self._background = background
        self._infiltrate, self._scrambled = spec.infiltrate, spec.scrambled
        textures: tuple[tuple[float, Paint], ...] = (
            (spec.squamous, paint_squamous),
            (spec.fat, paint_fat),
            (spec.blood, paint_blood),
        )
        self._textures = tuple((share, paint) for share, paint in textures if share > 0)

    def add(
        self, image: NDArray[np.uint8], label: NDArray[np.uint8], rng: np.random.Generator
    ) -> None:
        """Paint into a patch.

        Args:
            image: RGB patch, uint8 ``(h, w, 3)``; changed in place.
            label: Its classes, uint8 ``(h, w)``; changed in place.
            rng: Source of random numbers.
        """
        if self._infiltrate > 0 and rng.random() < self._infiltrate:
            infiltrate(image, label, self._background, Palette.of(image), rng)
        shape = (label.shape[0], label.shape[1])
        for share, paint in self._textures:
            if rng.random() < share:
                self._lay(partial(paint, shape, Palette.of(image)), image, label, rng)
        if self._scrambled > 0 and rng.random() < self._scrambled:
            is_gland = (label != self._background) & (label != IGNORE_INDEX)
            self._lay(partial(scramble, image, is_gland), image, label, rng)

    def _lay(
        self,
        paint: Callable[[np.random.Generator], NDArray[np.float32]],
        image: NDArray[np.uint8],
        label: NDArray[np.uint8],
        rng: np.random.Generator,
    ) -> None:
        shape = (label.shape[0], label.shape[1])
        area = draw_area(shape, rng, whole=_WHOLE)
        pixels = paint(rng)
        pixels += draw_grain(shape, rng)[..., None]
        image[area] = np.clip(pixels, 0, 255).astype(np.uint8)[area]
        label[area] = self._background
