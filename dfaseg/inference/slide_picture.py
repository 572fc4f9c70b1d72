"""The picture of a whole slide: below its mask in viewers, and under the overlay."""

import numpy as np
from numpy.typing import NDArray

from dfaseg.inference.overlay import small_picture


class SlidePicture:
    """Whole until the mask has it; from then on as small as the overlay needs it.

    It is the one thing in a run that grows with the slide's height.

    Args:
        pixels: RGB, uint8 ``(h, w, 3)``.

    Attributes:
        shape: Height and width of the whole.
        small: The picture for the overlay.
        shrink: Pixels of ``small`` per pixel of the whole, along each axis; at most 1.
    """

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self.shape = pixels.shape[:2]
        self.small, self.shrink = small_picture(pixels)
        self._whole: NDArray[np.uint8] | None = pixels

    @property
    def whole(self) -> NDArray[np.uint8]:
        """All pixels, as long as they are kept."""
        assert self._whole is not None
        return self._whole

    def forget_whole(self) -> None:
        """Let go of all pixels but those of ``small``."""
        self._whole = None
