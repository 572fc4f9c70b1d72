"""Compose a varied training patch; image and label always move together."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from dfaseg.datasets.load import Split
from dfaseg.datasets.places import Place
from dfaseg.geometry import Rect
from dfaseg.training.background import find_background
from dfaseg.training.colour import vary_colour
from dfaseg.training.lookalikes import LookalikePainter
from dfaseg.training.lookalikes.relief import draw_area
from dfaseg.training.spec import AugmentSpec
from dfaseg.training.warp import warp

Patch = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""RGB image ``(h, w, 3)`` and label ``(h, w)``."""


class PatchComposer:
    """Makes varied patches from a split; the same random numbers give the same patch.

    Args:
        split: Images and labels.
        places: Where in the images patches are cut; together they cover every image.
        weights: How often each place is drawn as a further part of a mosaic, ``(len(places),)``.
        spec: How patches are varied.
        side_px: Width and height of the patches.
        glass_index: Class of empty glass and of tissue that no other class names; None lays no
            glass, stretches no fibres and paints no lookalikes.
    """

    def __init__(
        self,
        split: Split,
        places: Sequence[Place],
        weights: NDArray[np.float64],
        spec: AugmentSpec,
        *,
        side_px: int,
        glass_index: int | None,
    ) -> None:
        self._side_px = side_px
        self._split, self._places = split, places
        self._cumulative = np.cumsum(weights) / np.sum(weights)
        self._spec = spec
        self._glass_index = glass_index
        self._background, self._lookalikes = None, None
        if glass_index is not None:
            self._lookalikes = LookalikePainter(spec, glass_index)
            if spec.fibres > 0:
                self._background = find_background(split, glass_index)

    def compose(self, index: int, rng: np.random.Generator) -> Patch:
        """Compose the patch of one place.

        Args:
            index: Number of the place.
            rng: Source of all random numbers of this patch.

        Returns:
            Image, uint8 ``(side_px, side_px, 3)``, and label, uint8 ``(side_px, side_px)``.
        """
        is_mosaic = rng.random() < self._spec.mosaic
        image, label = self._mosaic(index, rng) if is_mosaic else self._single(index, rng)
        if self._glass_index is not None and rng.random() < self._spec.glass:
            _lay_glass(image, label, self._glass_index, rng)
        return image, label

    def _single(self, index: int, rng: np.random.Generator) -> Patch:
        return self._cut(index, self._side_px, self._side_px, rng)

    def _mosaic(self, index: int, rng: np.random.Generator) -> Patch:
        """Put four images around a random centre, so that classes meet as on a slide."""
        side = self._side_px
        image = np.empty((side, side, 3), np.uint8)
        label = np.empty((side, side), np.uint8)
        x, y = rng.integers(side // 4, side - side // 4, 2)
        others = np.searchsorted(self._cumulative, rng.random(3), side="right")
        quarters = ((0, 0, x, y), (x, 0, side, y), (0, y, x, side), (x, y, side, side))
        for source, (left, top, right, bottom) in zip((index, *others), quarters, strict=True):
            part = self._cut(int(source), int(right - left), int(bottom - top), rng)
            image[top:bottom, left:right], label[top:bottom, left:right] = part
        return image, label

    def _cut(self, index: int, width: int, height: int, rng: np.random.Generator) -> Patch:
        if self._background and rng.random() < self._spec.fibres:
            image, label = self._background.draw(width, height, rng)
        else:
            image, label = self._cut_place(index, width, height, rng)
        if self._lookalikes:
            self._lookalikes.add(image, label, rng)
        return vary_colour(image, rng, self._spec), label

    def _cut_place(self, index: int, width: int, height: int, rng: np.random.Generator) -> Patch:
        place = self._places[index]
        image, label = self._split.images[place.image], self._split.labels[place.image]
        size = (image.shape[1], image.shape[0])
        to_source = draw_placement(size, place.rect, (width, height), rng, self._spec)
        image, label, to_source = _crop_source(image, label, to_source, (width, height))
        image = warp(image, to_source, (width, height), cv2.INTER_LINEAR)
        label = warp(label, to_source, (width, height), cv2.INTER_NEAREST)
        return image, label


def draw_placement(
    source_size: tuple[int, int],
    around: Rect,
    size: tuple[int, int],
    rng: np.random.Generator,
    spec: AugmentSpec,
) -> NDArray[np.float64]:
    """Draw a zoom, one of the eight flips and turns, and a place to cut.

    Args:
        source_size: Width and height of the image to cut from.
        around: Part of the image that the patch's centre lies in, as far as the patch then still
            lies inside the image.
        size: Width and height of the patch.
        rng: Source of random numbers.
        spec: Range of the zoom.

    Returns:
        Affine map ``(2, 3)`` from patch (x, y) to image (x, y), pixel centres at integers. The
        patch lies inside the image where it fits.
    """
    zoom = np.exp(rng.uniform(*np.log(spec.scale)))
    flip = np.diag(rng.choice([-1.0, 1.0], 2))
    turn = np.eye(2)[:, ::-1] if rng.random() < 0.5 else np.eye(2)
    linear = flip @ turn / zoom
    half_extent = np.abs(linear) @ np.array(size) / 2
    fitting = np.sort([half_extent, np.array(source_size) - half_extent], axis=0)
    wanted = np.array([[around.x, around.y], [around.right, around.bottom]], float)
    centre = rng.uniform(*np.clip(wanted, *fitting)) - 0.5
    offset = centre - linear @ (np.array(size) - 1) / 2
    return np.column_stack([linear, offset])


def _crop_source(
    image: NDArray[np.uint8],
    label: NDArray[np.uint8],
    to_source: NDArray[np.float64],
    size: tuple[int, int],
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float64]]:
    """Cut out what a patch needs, so that a large image is not touched as a whole.

    OpenCV refuses to warp from images of more than 32767 px a side, and an image on disk is read
    only where it is looked at.
    """
    height, width = label.shape
    corners = np.array([[0, 0, 1], [size[0] - 1, size[1] - 1, 1]], float) @ to_source.T
    low = np.floor(corners.min(axis=0)).astype(int) - 1
    high = np.ceil(corners.max(axis=0)).astype(int) + 2
    if (low < 0).any() or (high > (width, height)).any():
        return image, label, to_source  # it looks over the border, which is reflected
    (left, top), (right, bottom) = low, high
    shifted = to_source - np.array([[0, 0, left], [0, 0, top]])
    return image[top:bottom, left:right], label[top:bottom, left:right], shifted


def _lay_glass(
    image: NDArray[np.uint8], label: NDArray[np.uint8], index: int, rng: np.random.Generator
) -> None:
    """Cover a part of the patch, at times all of it, by empty glass with a ragged border."""
    shape = (label.shape[0], label.shape[1])
    glass = draw_area(shape, rng, whole=0.1)
    tint = rng.uniform(218, 252) + rng.uniform(-5, 5, 3)
    grain = rng.uniform(0.3, 2.5) * rng.standard_normal((*shape, 1), np.float32)
    white = np.clip(tint.astype(np.float32) + grain, 0, 255).astype(np.uint8)
    image[glass] = white[glass]
    label[glass] = index
