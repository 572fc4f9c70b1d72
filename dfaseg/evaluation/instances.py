"""Objects of one class in an image: their pixels, overlaps and distances."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from dfaseg.evaluation.records import FloatArray

InstanceImage = NDArray[np.int32]
"""Number of the object each pixel belongs to, ``(h, w)``; 0 = none."""

EIGHT_NEIGHBOURS = np.ones((3, 3), bool)
"""Pixels that touch at a corner are one object: the default of MATLAB's bwlabel, in which the GlaS
contest was scored, and a diagonal chain of pixels does not fall apart."""


def find_instances(class_mask: NDArray[np.bool_], *, min_px: int = 0) -> InstanceImage:
    """Return the connected parts of a class as objects.

    Args:
        class_mask: Pixels of the class, ``(h, w)``.
        min_px: Smaller objects are dropped.
    """
    labelled, _ = ndimage.label(class_mask, EIGHT_NEIGHBOURS)
    instances: InstanceImage = labelled.astype(np.int32, copy=False)
    small = np.bincount(instances.ravel()) < min_px
    instances[small[instances]] = 0
    return instances


class Objects:
    """The objects of one image, numbered 0, 1, 2, ... in the order of their numbers in it.

    Args:
        instances: Any numbers above 0; they need not be without gaps, nor objects in one piece.
    """

    def __init__(self, instances: InstanceImage) -> None:
        self.places = np.flatnonzero(instances)
        numbers = instances.ravel()[self.places]
        self._shape = instances.shape
        _, self.index, self.areas = np.unique(numbers, return_inverse=True, return_counts=True)
        order = np.argsort(self.index, kind="stable")
        self._ends = np.cumsum(self.areas)
        self._by_object = self.places[order]
        self._rim = _has_other_neighbour(instances).ravel()
        self.boxes = self._bounding_boxes()

    def __len__(self) -> int:
        return len(self.areas)

    def pixels(self, index: int) -> NDArray[np.int64]:
        """Return where an object's pixels lie in the flattened image, in ascending order."""
        end = self._ends[index]
        return self._by_object[end - self.areas[index] : end]

    def distance(self, index: int, other: "Objects", other_index: int) -> float:
        """Return the Hausdorff distance to an object of another image (px, between centres).

        The greatest distance from a pixel of one object to the nearest of the other, in the
        direction in which it is greater (Sirinukunwattana et al. 2017, eq. 7).
        """
        here, there = self.pixels(index), other.pixels(other_index)
        return max(
            self._farthest(here, there, other._rim),
            self._farthest(there, here, self._rim),
        )

    def _farthest(
        self, pixels: NDArray[np.int64], target: NDArray[np.int64], rim: NDArray[np.bool_]
    ) -> float:
        """Return how far the farthest of the pixels lies from a target."""
        outside = np.setdiff1d(pixels, target, assume_unique=True)
        if not len(outside):
            return 0.0
        # From outside, the nearest pixel of the target always lies on its rim.
        distances, _ = KDTree(self._points(target[rim[target]])).query(self._points(outside))
        return float(distances.max())

    def _points(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.stack(np.divmod(places, self._shape[1]), axis=1)

    def _bounding_boxes(self) -> NDArray[np.int64]:
        """Return first row, first column, last row, last column of each object, ``(n, 4)``."""
        if not len(self):
            return np.zeros((0, 4), np.int64)
        points = self._points(self._by_object)
        starts = self._ends - self.areas
        first = np.minimum.reduceat(points, starts)
        return np.concatenate([first, np.maximum.reduceat(points, starts)], axis=1)


@dataclass(frozen=True, slots=True)
class Overlaps:
    """Pairs of objects that share pixels.

    Attributes:
        true: Number of the true object of each pair, ``(n,)``.
        predicted: Number of the predicted object.
        pixels: How many pixels both cover.
    """

    true: NDArray[np.int64]
    predicted: NDArray[np.int64]
    pixels: NDArray[np.int64]


def find_overlaps(true: Objects, predicted: Objects) -> Overlaps:
    """Count the pixels that each true object shares with each predicted one."""
    _, in_true, in_predicted = np.intersect1d(
        true.places, predicted.places, assume_unique=True, return_indices=True
    )
    codes = true.index[in_true] * max(1, len(predicted)) + predicted.index[in_predicted]
    pairs, pixels = np.unique(codes, return_counts=True)
    return Overlaps(*np.divmod(pairs, max(1, len(predicted))), pixels)


def best_partners(
    objects: NDArray[np.int64], partners: NDArray[np.int64], pixels: NDArray[np.int64], number: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the partner that each object shares most pixels with, and how many they are.

    Args:
        objects: One object of each overlapping pair.
        partners: The other one.
        pixels: What both share.
        number: How many objects there are; one without a partner gets -1 and 0 pixels. Of equals
            the partner with the lowest number is taken.
    """
    partner, shared = np.full(number, -1), np.zeros(number, np.int64)
    order = np.lexsort((-partners, pixels, objects))
    # The last of several values written to one place stays: that with most pixels.
    partner[objects[order]], shared[objects[order]] = partners[order], pixels[order]
    return partner, shared


def nearest_distance(objects: Objects, index: int, others: Objects) -> float:
    """Return the Hausdorff distance to the object of another image that is nearest by it (px)."""
    # Two objects are at least as far apart as the sides of their boxes: most need no measuring.
    at_least: FloatArray = np.abs(others.boxes - objects.boxes[index]).max(axis=1)
    nearest = float("inf")
    for candidate in np.argsort(at_least, kind="stable"):
        if at_least[candidate] >= nearest:
            break
        nearest = min(nearest, objects.distance(index, others, int(candidate)))
    return nearest


def _has_other_neighbour(instances: InstanceImage) -> NDArray[np.bool_]:
    """Return the pixels with a different one above, below, left or right."""
    rim = np.zeros(instances.shape, bool)
    across, down = instances[:, 1:] != instances[:, :-1], instances[1:] != instances[:-1]
    rim[:, 1:] |= across
    rim[:, :-1] |= across
    rim[1:] |= down
    rim[:-1] |= down
    return rim
