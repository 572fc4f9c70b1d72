"""A data set at another resolution than its authors'."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from dfaseg.datasets.dataset import Dataset, Example, LabelledImage
from dfaseg.datasets.pictures import MAX_PICTURE_PX
from dfaseg.errors import ConfigError, DatasetError
from dfaseg.native.count import count_values

_SAME = 1e-3
"""Two resolutions that differ by less, relatively, are one: a pixel in an image of 1000."""


def at_mpp(dataset: Dataset, mpp: float) -> Dataset:
    """Return the data set with images and labels resampled when they are read.

    Args:
        dataset: Any data set.
        mpp: Wanted resolution, µm per pixel.

    Raises:
        ConfigError: The resolution is not above 0.
    """
    if not mpp > 0:
        raise ConfigError(f"resolution {mpp} µm per pixel: must be above 0")
    factor = dataset.info.mpp / mpp
    if abs(factor - 1) < _SAME:
        return dataset
    note = f"resampled from {dataset.info.mpp:g} µm per pixel; {dataset.info.mpp_note}"
    train, val, test = (
        _resampled(split, factor) for split in (dataset.train, dataset.val, dataset.test)
    )
    return Dataset(replace(dataset.info, mpp=mpp, mpp_note=note), train, val, test)


def resample(pixels: LabelledImage, factor: float) -> LabelledImage:
    """Make an image larger or smaller together with its label.

    Args:
        pixels: Image and label.
        factor: New side divided by old side; sides are rounded to whole pixels, at least 1.

    Returns:
        The image averaged over exact areas (enlarged: bilinear); in the label each pixel has the
        index, ignore being one of them, that covers most of its area, the lowest of equals.
    """
    height, width = pixels.label.shape
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    if size == (width, height):
        return pixels
    if factor > 1:
        image = cv2.resize(pixels.image, size, interpolation=cv2.INTER_LINEAR)
        label = cv2.resize(pixels.label, size, interpolation=cv2.INTER_NEAREST_EXACT)
        return LabelledImage(np.asarray(image, np.uint8), np.asarray(label, np.uint8))
    image = cv2.resize(pixels.image, size, interpolation=cv2.INTER_AREA)
    return LabelledImage(np.asarray(image, np.uint8), _majority(pixels.label, size))


def _majority(label: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the most frequent index in the area of each pixel, shape ``(size[1], size[0])``."""
    present = np.flatnonzero(count_values(label))
    winner = np.full(size[::-1], present[0], np.uint8)
    largest = np.zeros(size[::-1], np.float32)
    for index in present:
        share = cv2.resize((label == index).astype(np.float32), size, interpolation=cv2.INTER_AREA)
        # Equal areas differ by rounding: only a real lead takes the pixel from a lower index.
        leads = share > largest + 1e-5
        winner[leads] = index
        largest[leads] = share[leads]
    return winner


def _resampled(examples: Sequence[Example], factor: float) -> tuple[Example, ...]:
    return tuple(
        replace(example, read=partial(_read_resampled, example, factor)) for example in examples
    )


def _read_resampled(example: Example, factor: float) -> LabelledImage:
    pixels = example.read()
    height, width = pixels.label.shape
    if max(height, width) * factor < 1:
        raise DatasetError(
            f"image '{example.name}': less than one pixel is left of its {width} × {height} px;"
            " choose a smaller --mpp"
        )
    if height * factor * width * factor > MAX_PICTURE_PX:
        raise DatasetError(
            f"image '{example.name}': {width} × {height} px would become"
            f" {width * factor:.4g} × {height * factor:.4g} px; choose a larger --mpp"
        )
    return resample(pixels, factor)
