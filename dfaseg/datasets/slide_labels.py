"""What is true of each pixel of a slide, read region by region at any resolution."""

import math
from collections.abc import Iterable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation import AnnotatedPolygon, rasterize
from dfaseg.geometry import Rect
from dfaseg.slide import Level
from dfaseg.slide.levels import whole_factor
from dfaseg.tiler.plan import ReadPlan


class SlideLabel(Protocol):
    """The label of a whole slide."""

    def read(self, plan: ReadPlan, mask_rect: Rect) -> NDArray[np.uint8]:
        """Return class indices, shape ``(h, w)``, of a region in the plan's mask frame.

        A pixel has the class of its centre: labels are never averaged.
        """
        ...


class PaintedLabel:
    """A picture of class indices that covers the slide at some downsample.

    Args:
        label: Class indices, shape ``(h, w)``.
        level0: The slide's finest level.

    Raises:
        ValueError: The picture does not have the slide's shape, or is larger.
    """

    def __init__(self, label: NDArray[np.uint8], level0: Level) -> None:
        self._label = label
        self._scale_x, self._scale_y = _downsamples(label, level0)

    def read(self, plan: ReadPlan, mask_rect: Rect) -> NDArray[np.uint8]:
        """Return class indices; see ``SlideLabel.read``."""
        height, width = self._label.shape
        y = np.arange(mask_rect.y, mask_rect.bottom) + 0.5
        x = np.arange(mask_rect.x, mask_rect.right) + 0.5
        rows = np.minimum(y * (plan.downsample_y / self._scale_y), height - 1).astype(np.intp)
        cols = np.minimum(x * (plan.downsample_x / self._scale_x), width - 1).astype(np.intp)
        return self._label[np.ix_(rows, cols)]


class DrawnLabel:
    """Polygons with class indices; later ones lie over earlier ones.

    Args:
        shapes: Class index and polygon (level-0 px) of each.
        background: Index where nothing is drawn.
    """

    def __init__(self, shapes: Iterable[tuple[int, AnnotatedPolygon]], background: int) -> None:
        self._shapes = tuple(shapes)
        self._background = background
        corners = [(one.exterior.min(axis=0), one.exterior.max(axis=0)) for _, one in self._shapes]
        self._boxes = np.array(corners, np.float64).reshape(-1, 4)

    def read(self, plan: ReadPlan, mask_rect: Rect) -> NDArray[np.uint8]:
        """Return class indices; see ``SlideLabel.read``."""
        scale = np.array([plan.downsample_x, plan.downsample_y])
        corner = np.array([mask_rect.x, mask_rect.y])
        end = np.array([mask_rect.right, mask_rect.bottom])
        touched = self.touching(corner * scale, end * scale)
        shapes = (
            (index, [ring / scale - corner for ring in polygon.rings])
            for index, polygon in (self._shapes[number] for number in np.flatnonzero(touched))
        )
        return rasterize(shapes, mask_rect.width, mask_rect.height, background=self._background)

    def touching(
        self, upper_left: NDArray[np.float64], lower_right: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Tell which polygons' bounding boxes touch a box, given by two corners in level-0 px."""
        low, high = self._boxes[:, :2], self._boxes[:, 2:]
        return np.asarray(((high >= upper_left) & (low <= lower_right)).all(axis=1), bool)


def _downsamples(label: NDArray[np.uint8], level0: Level) -> tuple[float, float]:
    """Return level-0 px per label px, horizontally and vertically."""
    height, width = label.shape
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
