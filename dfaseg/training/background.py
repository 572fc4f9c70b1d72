"""Background tissue: where a training split shows it, and patches that show nothing else.

A data set of glands teaches little about what is not a gland, and a slide shows much of it. Muscle
and scar are, to a network that has seen mucosa only, stroma with long parallel fibres; so
background is cut out and stretched in one direction until it fills a patch.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.datasets.load import Split
from dfaseg.training.lookalikes.palette import GLASS_BRIGHTNESS
from dfaseg.training.warp import warp

SIDE_PX = 48
"""Side of the squares that are looked for."""
_STEP_PX = 6
_BACKGROUND_SHARE = 0.9
_STRETCH = (1.3, 4.0)
_WIDENING = (0.8, 1.6)
"""Range of the zoom along and across the fibres."""


@dataclass(frozen=True, slots=True)
class BackgroundSquares:
    """Squares that show background tissue and little else.

    Attributes:
        split: Images and labels.
        background: Class of that tissue.
        corners: Image, x and y of each square's upper left corner, int32 ``(n, 3)``.
    """

    split: Split
    background: int
    corners: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.corners)

    def draw(
        self, width: int, height: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Draw a square and stretch it in any direction; beyond its borders it is mirrored.

        Args:
            width: Width of the wanted patch.
            height: Its height.
            rng: Source of random numbers.

        Returns:
            Image, uint8 ``(height, width, 3)``, and label, uint8 ``(height, width)``, in which all
            other classes are ignored.
        """
        number, x, y = self.corners[rng.integers(len(self.corners))]
        window = np.s_[y : y + SIDE_PX, x : x + SIDE_PX]
        image, label = self.split.images[number][window], self.split.labels[number][window]
        label = np.where(label == self.background, label, np.uint8(IGNORE_INDEX))
        to_source, size = _draw_stretch((width, height), rng), (width, height)
        return (
            warp(image, to_source, size, cv2.INTER_LINEAR),
            warp(label, to_source, size, cv2.INTER_NEAREST),
        )


def find_background(split: Split, background: int) -> BackgroundSquares:
    """Find all squares of a split, some pixels apart, that show background tissue.

    Args:
        split: Images and labels.
        background: Class of that tissue.
    """
    found = [
        np.column_stack([np.full(len(corners), number), corners])
        for number, (image, label) in enumerate(zip(split.images, split.labels, strict=True))
        if len(corners := _corners(image, label == background))
    ]
    corners = np.concatenate(found) if found else np.empty((0, 3), np.int64)
    return BackgroundSquares(split, background, corners.astype(np.int32))


def _corners(image: NDArray[np.uint8], is_background: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return x and y of the squares of one image, ``(n, 2)``."""
    if min(is_background.shape) < SIDE_PX:
        return np.empty((0, 2), np.int64)
    share = _square_means(is_background.astype(np.float32))
    grey = np.asarray(cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2GRAY))
    brightness = _square_means(grey.astype(np.float32))
    rows, cols = np.nonzero((share > _BACKGROUND_SHARE) & (brightness < GLASS_BRIGHTNESS))
    return np.column_stack([cols, rows]) * _STEP_PX


def _square_means(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean over each square that lies inside, every few pixels."""
    means = np.asarray(cv2.boxFilter(values, cv2.CV_32F, (SIDE_PX, SIDE_PX), anchor=(0, 0)))
    height, width = values.shape
    inside = means[: height - SIDE_PX + 1 : _STEP_PX, : width - SIDE_PX + 1 : _STEP_PX]
    return np.asarray(inside, np.float32)


def _draw_stretch(size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw an affine map ``(2, 3)`` from patch to square that lengthens one direction."""
    angle = rng.uniform(0, np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    along, across = (np.exp(rng.uniform(*np.log(zoom))) for zoom in (_STRETCH, _WIDENING))
    tilt = rng.uniform(0, np.pi)
    tilted = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    linear = tilted @ np.diag([1 / along, 1 / across]) @ turn
    offset = (SIDE_PX - 1) / 2 - linear @ (np.array(size) - 1) / 2
    return np.column_stack([linear, offset])
