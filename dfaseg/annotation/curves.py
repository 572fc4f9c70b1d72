"""Circles and ellipses as polygons."""

import math

import numpy as np
from numpy.typing import NDArray

MAX_SAGITTA_PX = 0.1
"""How far (level-0 px) the polygon for a circle or ellipse may run beside the curve."""

_MIN_CURVE_VERTICES = 16
_MAX_CURVE_VERTICES = 4096


def unit_circle(radius_px: float) -> NDArray[np.float64]:
    """Return a circle of radius 1 as a polygon fine enough for a radius in pixels, ``(n, 2)``."""
    step = math.sqrt(8 * MAX_SAGITTA_PX / max(radius_px, MAX_SAGITTA_PX))
    count = min(max(_MIN_CURVE_VERTICES, math.ceil(2 * math.pi / step)), _MAX_CURVE_VERTICES)
    angles = np.arange(count) * (2 * math.pi / count)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def ellipse_in(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ellipse in an upright box as a polygon, ``(n, 2)``, (x, y).

    Args:
        corners: Of the box, at least two that lie across, ``(n, 2)``.
    """
    low, high = corners.min(axis=0), corners.max(axis=0)
    radii = (high - low) / 2
    return np.asarray(unit_circle(float(radii.max())) * radii + (low + high) / 2, np.float64)


def rectangle_in(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an upright box as a polygon, ``(4, 2)``, (x, y).

    Args:
        corners: As for ``ellipse_in``.
    """
    (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
