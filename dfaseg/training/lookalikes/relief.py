"""Smooth and ragged fields of chance: where something lies, and how much of it."""

import cv2
import numpy as np
from numpy.typing import NDArray

Relief = NDArray[np.float32]
"""Values about 0 with a spread of about 1, ``(h, w)``."""


def draw_relief(
    shape: tuple[int, int], rng: np.random.Generator, *, knots: int = 4, roughness: float = 0.15
) -> Relief:
    """Draw a field of hills and valleys.

    Args:
        shape: Height and width.
        rng: Source of random numbers.
        knots: Hills along each side, about.
        roughness: Height of the small ones that make borders ragged.
    """
    height, width = shape
    coarse = rng.standard_normal((knots, knots), np.float32)
    hills = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    relief = np.asarray(hills, np.float32)
    if roughness:
        fine = rng.standard_normal((6 * knots, 6 * knots), np.float32)
        ragged = cv2.resize(fine, (width, height), interpolation=cv2.INTER_LINEAR)
        relief = relief + np.float32(roughness) * np.asarray(ragged, np.float32)
    return relief


def draw_grain(shape: tuple[int, int], rng: np.random.Generator) -> Relief:
    """Draw the fine unevenness of tissue, in grey values, ``(h, w)``."""
    noise = rng.standard_normal(shape, np.float32)
    smooth = np.asarray(cv2.GaussianBlur(noise, (0, 0), rng.uniform(0.8, 1.6)), np.float32)
    return np.float32(rng.uniform(5, 30)) * smooth + np.float32(rng.uniform(0, 4)) * noise


def draw_area(
    shape: tuple[int, int], rng: np.random.Generator, *, whole: float
) -> NDArray[np.bool_]:
    """Draw a part of a patch with a ragged border.

    Args:
        shape: Height and width.
        rng: Source of random numbers.
        whole: How often it is all of the patch.
    """
    area = draw_relief(shape, rng) > rng.uniform(-1.5, 1.0)
    if rng.random() < whole:
        area[:] = True
    return area


def draw_direction(rng: np.random.Generator) -> tuple[float, float]:
    """Draw a direction, as cosine and sine."""
    angle = rng.uniform(0, 2 * np.pi)
    return float(np.cos(angle)), float(np.sin(angle))
