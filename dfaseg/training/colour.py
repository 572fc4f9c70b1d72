"""Vary stain, exposure, sharpness, noise and compression of a patch."""

import cv2
import numpy as np
from numpy.typing import NDArray

from dfaseg.training.spec import AugmentSpec

_RGB_FROM_HED = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]], np.float64).T
"""Optical density of haematoxylin, eosin and DAB per channel (Ruifrok & Johnston 2001)."""
_HED_FROM_RGB = np.linalg.inv(_RGB_FROM_HED)

_DENSITY = (-np.log((np.arange(256) + 1.0) / 256.0)).astype(np.float32)
"""Optical density of each 8-bit value; 0 for pure white, so that empty glass stays white."""

_JPEG_QUALITY = (25, 95)
"""Range of libjpeg's quality; scanners use 30 to 90."""


def vary_colour(
    image: NDArray[np.uint8], rng: np.random.Generator, spec: AugmentSpec
) -> NDArray[np.uint8]:
    """Return the patch as another stain, scanner or focus might have shown it.

    Args:
        image: RGB patch, uint8 ``(h, w, 3)``; not changed.
        rng: Source of the patch's random numbers.
        spec: Strength of each change.

    Returns:
        RGB patch of the same shape.
    """
    density = cv2.transform(cv2.LUT(image, _DENSITY), _draw_density_change(rng, spec))
    pixels = _to_float(cv2.exp(-density)) * np.float32(256.0) - np.float32(1.0)
    if rng.random() < spec.blur:
        pixels = _to_float(cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.3, 1.2)))
    if rng.random() < spec.noise:
        sigma = np.float32(rng.uniform(1.0, 8.0))
        pixels += sigma * rng.standard_normal(pixels.shape, np.float32)
    varied = np.asarray(np.clip(pixels + 0.5, 0, 255), np.uint8)
    if spec.jpeg > 0 and rng.random() < spec.jpeg:
        return _compress(varied, int(rng.integers(*_JPEG_QUALITY)))
    return varied


def _compress(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Return the patch as it comes out of a JPEG file; red and blue change places for OpenCV."""
    _, stream = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(stream, cv2.IMREAD_COLOR), np.uint8)[..., ::-1]


def _draw_density_change(rng: np.random.Generator, spec: AugmentSpec) -> NDArray[np.float32]:
    """Draw an affine map of optical densities, shape (3, 4): all colour changes in one."""
    strengths = rng.uniform(1 - spec.stain, 1 + spec.stain, 3)
    stain = _RGB_FROM_HED @ np.diag(strengths) @ _HED_FROM_RGB
    saturation = rng.uniform(1 - spec.stain, 1 + spec.stain)
    greyer = saturation * np.eye(3) + (1 - saturation) / 3
    contrast = rng.uniform(1 - spec.contrast, 1 + spec.contrast)
    shift = rng.uniform(-spec.brightness, spec.brightness) * np.ones((3, 1))
    return np.hstack([contrast * greyer @ stain, shift]).astype(np.float32)


def _to_float(pixels: object) -> NDArray[np.float32]:
    """State the type that OpenCV's annotations leave open; copies nothing."""
    return np.asarray(pixels, np.float32)
