"""Small fields of tissue that never lived: compartments of several looks, drawn in two stains.

A compartment has a look, which tells what kind of tissue it is, and a chromatin, the density of its
nuclei, which tells whether it is diseased. Both are given; everything else is drawn at random.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dfaseg.slide.synthetic.shapes import Floats, Points, blobs, fill_convex
from dfaseg.slide.synthetic.stains import Stains, cloud, develop, photograph

CELL_PX = 32
"""Distance between the centres of neighbouring compartments."""

_SEPTUM_PX = 3.0
"""Width of the connective tissue between two compartments."""
_WOBBLE_PX = 5.0
"""How far the borders stray from straight lines."""
_SEPTUM = (14, 74)
"""Density of haematoxylin and eosin between the compartments, in hundredths."""
_SPACING_PX = 7.0
_NUCLEUS_PX = (5.5, 4.5)
"""Distance between neighbouring nuclei, their length and width."""
_MEAN_CHROMATIN = 105.0
_CHROMATIN_STEP = 20.0
"""Density of the nuclei at chromatin 0, and by how much one unit of chromatin changes it. The grain
of nuclei and camera is an eighth of a unit once averaged over a compartment."""
_DENSITY_RANGE = (12, 235)


LOOKS = ((10, 92), (44, 40), (5, 20), (38, 4))
"""Density of haematoxylin and eosin between the nuclei of pink, purple, pale and blue tissue, in
hundredths. Their nuclei are alike, so that none is the harder to judge."""


@dataclass(frozen=True, slots=True)
class Compartments:
    """What a field is made of, row by row.

    Attributes:
        looks: Position in ``LOOKS`` of each compartment, ``(n,)``; n is a square number.
        chromatins: Density of the nuclei of each, ``(n,)``; 0 is the middle.
    """

    looks: NDArray[np.int64]
    chromatins: Floats

    @property
    def per_side(self) -> int:
        """Compartments along one side of the field."""
        return math.isqrt(len(self.looks))

    @property
    def side_px(self) -> int:
        """Side of the field in pixels."""
        return self.per_side * CELL_PX


@dataclass(frozen=True, slots=True)
class Field:
    """A drawn field.

    Attributes:
        image: RGB, uint8 ``(h, w, 3)``.
        compartment: Which compartment a pixel belongs to, int64 ``(h, w)``.
        is_septum: Where connective tissue is, bool ``(h, w)``.
    """

    image: NDArray[np.uint8]
    compartment: NDArray[np.int64]
    is_septum: NDArray[np.bool_]


def draw_field(rng: np.random.Generator, compartments: Compartments) -> Field:
    """Draw a field; the same random numbers give the same pixels on every machine.

    Args:
        rng: Source of borders, nuclei and grain.
        compartments: Look and chromatin of each compartment.
    """
    owner, is_septum = _lay_out(rng, compartments)
    stains = _lay_ground(compartments, owner, is_septum)
    _draw_nuclei(rng, stains, compartments.chromatins[owner], ~is_septum)
    stains.scale(cloud(rng, stains.shape, 3, 14), cloud(rng, stains.shape, 5, 20))
    stains.soften(0.6)
    return Field(photograph(rng, develop(stains)), owner, is_septum)


def _lay_out(
    rng: np.random.Generator, compartments: Compartments
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the owner of each pixel and where the septa run: Voronoi cells with wavy borders."""
    per_side, side_px = compartments.per_side, compartments.side_px
    rows, columns = np.divmod(np.arange(per_side**2), per_side)
    centres = (np.stack([columns, rows], axis=1) + 0.5) * CELL_PX
    centres = centres + rng.uniform(-0.2, 0.2, centres.shape) * CELL_PX
    wobble = [_WOBBLE_PX / 127 * (_cloud(rng, side_px).astype(np.float64) - 128) for _ in "xy"]
    y, x = np.mgrid[:side_px, :side_px]
    distances = np.sqrt(
        (x + wobble[0] - centres[:, 0, None, None]) ** 2
        + (y + wobble[1] - centres[:, 1, None, None]) ** 2
    )  # (n, h, w)
    nearest, second = np.partition(distances, 1, axis=0)[:2]
    return np.asarray(distances.argmin(axis=0), np.int64), second - nearest < _SEPTUM_PX


def _cloud(rng: np.random.Generator, side_px: int) -> NDArray[np.uint8]:
    return cloud(rng, (side_px, side_px), 8, 127)


def _lay_ground(
    compartments: Compartments, owner: NDArray[np.int64], is_septum: NDArray[np.bool_]
) -> Stains:
    cytoplasm = np.array(LOOKS)[compartments.looks[owner]]
    ground = np.where(is_septum[..., None], _SEPTUM, cytoplasm).astype(np.uint8)
    return Stains(*(np.ascontiguousarray(ground[..., stain]) for stain in range(2)))


def _draw_nuclei(
    rng: np.random.Generator, stains: Stains, chromatin: Floats, is_tissue: NDArray[np.bool_]
) -> None:
    """Strew nuclei over the tissue, each as dense as its compartment says."""
    side_px = len(is_tissue)
    centres = _strew(rng, side_px)
    columns, rows = np.clip(centres.astype(np.intp), 0, side_px - 1).T
    is_here = is_tissue[rows, columns]
    centres, local = centres[is_here], chromatin[rows, columns][is_here]
    count = len(centres)
    angles = rng.uniform(0, np.pi, count)
    lengths, widths = (size * rng.uniform(0.85, 1.15, count) for size in _NUCLEUS_PX)
    densities = _MEAN_CHROMATIN + _CHROMATIN_STEP * local + rng.normal(0, 8, count)
    nuclei = np.zeros_like(stains.haematoxylin)
    outlines = blobs(rng, centres, angles, lengths, widths)
    fill_convex(nuclei, outlines, np.clip(densities, *_DENSITY_RANGE))
    # Overlapping nuclei and a dense ground do not add up: the denser one is seen.
    cv2.max(stains.haematoxylin, nuclei, stains.haematoxylin)


def _strew(rng: np.random.Generator, side_px: int) -> Points:
    """Return positions on a lattice of which each is pushed a little to a random side."""
    steps = np.arange(_SPACING_PX / 2, side_px, _SPACING_PX)
    lattice = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    return np.asarray(lattice + rng.uniform(-0.25, 0.25, lattice.shape) * _SPACING_PX)
