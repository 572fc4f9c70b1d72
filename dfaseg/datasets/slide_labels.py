"""What is true of each pixel of a slide, read region by region at any resolution."""

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation import LabelFrame
from dfaseg.classmap import IGNORE_INDEX
from dfaseg.geometry import Rect
from dfaseg.slide import Level
from dfaseg.slide.levels import whole_factor
from dfaseg.tiler.plan import ReadPlan


class SlideLabel(Protocol):
    """The label of a whole slide, whose pixels are those of a plan."""

    def read_rect(self, rect: Rect) -> NDArray[np.uint8]:
        """Return class indices, shape ``(h, w)``, of a region in label px.

        A pixel has the class of its centre: labels are never averaged.
        """
        ...


def frame_of(plan: ReadPlan) -> LabelFrame:
    """Return the pixels that a plan reads a slide at."""
    return LabelFrame(plan.width, plan.height, plan.downsample_x, plan.downsample_y)


class PaintedLabel:
    """A picture of class indices that covers the slide at some downsample.

    Args:
        label: Class indices, shape ``(h, w)``.
        level0: The slide's finest level.
        frame: Pixels in which it is read.

    Raises:
        ValueError: The picture does not have the slide's shape, or is larger.
    """

    def __init__(self, label: NDArray[np.uint8], level0: Level, frame: LabelFrame) -> None:
        self._label, self._frame = label, frame
        height, width = label.shape
        self._scale_x, self._scale_y = find_downsamples(width, height, level0)

    def read_rect(self, rect: Rect) -> NDArray[np.uint8]:
        """Return class indices; see ``SlideLabel``. What lies outside the frame is 255."""
        part = np.full((rect.height, rect.width), IGNORE_INDEX, np.uint8)
        inner = rect.intersection(Rect(0, 0, self._frame.width, self._frame.height))
        if inner.area:
            part[inner.shifted(-rect.x, -rect.y).slices] = self._read(inner)
        return part

    def _read(self, rect: Rect) -> NDArray[np.uint8]:
        height, width = self._label.shape
        frame = self._frame
        y = (np.arange(rect.y, rect.bottom) + 0.5) * (frame.scale_y / self._scale_y)
        x = (np.arange(rect.x, rect.right) + 0.5) * (frame.scale_x / self._scale_x)
        rows = np.clip(y + frame.corner_y / self._scale_y, 0, height - 1).astype(np.intp)
        cols = np.clip(x + frame.corner_x / self._scale_x, 0, width - 1).astype(np.intp)
        return self._label[np.ix_(rows, cols)]


def find_downsamples(width: int, height: int, level0: Level) -> tuple[float, float]:
    """Return level-0 px per px of a picture that covers the slide, ``(x, y)``.

    Raises:
        ValueError: The picture does not have the slide's shape, or is larger.
    """
    factor = whole_factor(level0.width, level0.height, width, height)
    if factor is not None:
        return factor, factor
    x, y = level0.width / width, level0.height / height
    # Each side may have been rounded by a pixel.
    tolerance = 1 / width + 1 / height
    if not math.isclose(x, y, rel_tol=tolerance) or max(x, y) < 1 - tolerance:
        raise ValueError(
            f"{width} × {height} px do not lie over {level0.width} × {level0.height} px at any"
            " downsample"
        )
    return x, y
