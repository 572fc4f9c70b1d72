"""Outlines and lines in pixels, and how they are drawn into a map of one stain."""

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""Positions in level-0 px, shape ``(..., 2)``, as (x, y)."""
Floats = NDArray[np.float64]
"""Any other numbers, one per thing."""

SUBPIXEL_BITS = 4
"""OpenCV draws at sixteenths of a pixel."""


def fixed_point(points: Points) -> NDArray[np.int32]:
    """Return positions in sixteenths of a pixel."""
    return np.rint(points * (1 << SUBPIXEL_BITS)).astype(np.int32)


def fill_convex(plane: NDArray[np.uint8], outlines: Points, densities: Iterable[float]) -> None:
    """Fill many convex outlines, ``(n, k, 2)``, each with its own density."""
    for corners, density in zip(fixed_point(outlines), densities, strict=True):
        cv2.fillConvexPoly(plane, corners, int(density), cv2.LINE_AA, SUBPIXEL_BITS)


def draw_lines(
    plane: NDArray[np.uint8], lines: Points, density: int, width_px: int, *, closed: bool = False
) -> None:
    """Draw many lines, ``(n, k, 2)``, of one density and width."""
    paths = list(fixed_point(lines))
    cv2.polylines(plane, paths, closed, density, width_px, cv2.LINE_AA, SUBPIXEL_BITS)


def blobs(
    rng: np.random.Generator,
    centres: Points,
    angles: Floats,
    lengths: Floats,
    widths: Floats,
    roughness: float = 0.06,
) -> Points:
    """Return slightly irregular ellipses as outlines.

    Args:
        rng: Source of the irregularity.
        centres: ``(n, 2)`` px.
        angles: Direction of the long axis, ``(n,)`` radians.
        lengths: Long axis, ``(n,)`` px.
        widths: Short axis, ``(n,)`` px.
        roughness: Relative deviation of the corners from the ellipse.

    Returns:
        Outlines, shape ``(n, 12, 2)``.
    """
    turns = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    bumps = 1 + rng.normal(0, roughness, (len(centres), 12))
    along = np.cos(turns) * bumps * lengths[:, None] / 2
    across = np.sin(turns) * bumps * widths[:, None] / 2
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
    offsets = np.stack([along * cos - across * sin, along * sin + across * cos], axis=-1)
    return np.asarray(centres[:, None, :] + offsets)


def waves(rng: np.random.Generator, turns: Floats, amplitudes: dict[int, float]) -> Floats:
    """Return a sum of cosines round a circle, of random height and phase.

    Args:
        rng: Source of heights and phases.
        turns: Angles, ``(n,)`` radians.
        amplitudes: Standard deviation of the height, by the number of waves per turn.
    """
    total = np.zeros_like(turns)
    for count, amplitude in amplitudes.items():
        height, phase = rng.normal(0, amplitude), rng.uniform(0, 2 * np.pi)
        total += height * np.cos(count * turns + phase)
    return total


def step_evenly(loop: Points) -> Points:
    """Return as many points of a closed line, ``(n, 2)``, at equal steps along it."""
    closed = np.concatenate([loop, loop[:1]])
    steps = np.diff(closed, axis=0)
    way = np.concatenate([[0.0], np.cumsum(np.hypot(steps[:, 0], steps[:, 1]))])
    marks = np.linspace(0, way[-1], len(loop), endpoint=False)
    return np.stack([np.interp(marks, way, closed[:, axis]) for axis in (0, 1)], axis=1)


def smooth_loop(loop: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """Average each value of a closed line, ``(n, k)``, with ``reach`` neighbours on either side."""
    window = np.hanning(2 * reach + 3)[1:-1]
    wrapped = np.concatenate([loop[-reach:], loop, loop[:reach]])
    kernel = window / window.sum()
    columns = [np.convolve(column, kernel, mode="valid") for column in wrapped.T]
    return np.stack(columns, axis=1)


def along_loop(loop: Points, turns: Floats) -> Points:
    """Return points of a closed line by the part of the way round, 0 to 1."""
    position = (turns % 1.0) * len(loop)
    before = position.astype(np.intp) % len(loop)
    part = (position - np.floor(position))[..., None]
    return np.asarray(loop[before] * (1 - part) + loop[(before + 1) % len(loop)] * part)
