"""What lies between the glands: fibres, clefts, cells, blood and a strip of muscle."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dfaseg.slide.synthetic.gland import Gland
from dfaseg.slide.synthetic.shapes import Floats, Points, blobs, draw_lines, fill_convex
from dfaseg.slide.synthetic.stains import Stains, cloud

MAP_PX = 4
"""Side in level-0 px of one cell of the maps below."""
_FIBRES = ((5000, 44, 2), (7000, 68, 1), (5000, 88, 1), (4000, 58, 2), (1500, 74, 3))
"""How many fibres there are of each density of eosin and width (px), thickest last."""
_CLEFTS = ((4500, 1), (2200, 2), (400, 3))
"""How many clefts there are of each width (px)."""


@dataclass(frozen=True, slots=True)
class Ground:
    """Maps of the tissue between the glands, one value per square of ``MAP_PX``.

    Attributes:
        muscle: Part of the tissue that is muscle, 0 to 1, shape ``(h, w)``.
        fibres: Unit vectors along the fibres, shape ``(h, w, 2)`` as (x, y).
    """

    muscle: Floats
    fibres: Points

    def look_up(self, values: Floats, points: Points) -> Floats:
        """Return a map's values at positions in level-0 px."""
        last = np.array(values.shape[1::-1]) - 1
        cells = np.clip(points / MAP_PX, 0, last).astype(np.intp)
        return np.asarray(values[cells[..., 1], cells[..., 0]])

    def trace(self, starts: Points, num_steps: int, step_px: float) -> Points:
        """Follow the fibres from each start, ``(n, 2)``; shape ``(n, num_steps + 1, 2)``."""
        path = [starts]
        for _ in range(num_steps):
            path.append(path[-1] + step_px * self.look_up(self.fibres, path[-1]))
        return np.stack(path, axis=1)


def lay_ground(muscle: Floats, glands: list[Gland]) -> Ground:
    """Lead the fibres round the glands, along the muscle, and in slow swirls elsewhere."""
    filled = np.zeros(muscle.shape, np.uint8)
    for gland in glands:
        cv2.fillPoly(filled, [np.rint(gland.wall / MAP_PX).astype(np.int32)], 255)
    density = cv2.GaussianBlur(filled, (0, 0), 9).astype(np.float64)
    slope_y, slope_x = np.gradient(density)
    y, x = np.indices(muscle.shape) * float(MAP_PX)
    swirl = 0.9 * np.sin(x / 130 + y / 310) + 0.9 * np.cos(y / 110 - x / 290)
    angle = swirl * (1 - muscle) + 0.25 * np.cos(x / 260) * muscle
    flow_x, flow_y = np.cos(angle), np.sin(angle)
    # Fibres have no direction: round a gland they turn the way that suits the flow.
    side = np.where(slope_x * flow_y - slope_y * flow_x >= 0, 1.0, -1.0)
    along_x, along_y = 2.5 * flow_x - side * slope_y, 2.5 * flow_y + side * slope_x
    length = np.maximum(np.hypot(along_x, along_y), 1e-9)
    return Ground(muscle, np.stack([along_x / length, along_y / length], axis=-1))


def draw_stroma(rng: np.random.Generator, stains: Stains, ground: Ground) -> None:
    """Draw the whole plane as stroma; glands are drawn over it."""
    _draw_base(rng, stains, ground)
    _draw_fibres(rng, stains, ground)
    _draw_blood(rng, stains)
    _draw_cells(rng, stains, ground)


def _draw_base(rng: np.random.Generator, stains: Stains, ground: Ground) -> None:
    """Fill with ground substance: spongy between the glands, dense in the muscle."""
    height, width = stains.shape
    muscle = np.rint(255 * ground.muscle).astype(np.uint8)
    muscle = _as_uint8(cv2.resize(muscle, (width, height), interpolation=cv2.INTER_LINEAR_EXACT))
    coarse, fine = cloud(rng, stains.shape, 17, 120), cloud(rng, stains.shape, 6, 120)
    sponge = _as_uint8(cv2.addWeighted(coarse, 0.62, fine, 0.38, 0))
    levels = np.arange(256.0)
    sponge = np.maximum(sponge, _mapped(muscle, 0.46 * levels))
    # Below a threshold the sponge is a hole, which shows the glass.
    eosin = np.clip((levels - 92) * 1.5, 0, 34) + np.clip((levels - 128) * 0.45, 0, 27)
    stains.eosin[:] = _mapped(sponge, eosin) + _mapped(muscle, 22 / 255 * levels)
    stains.haematoxylin[:] = _mapped(sponge, np.clip((levels - 92) * 0.5, 0, 15))


def _draw_fibres(rng: np.random.Generator, stains: Stains, ground: Ground) -> None:
    for count, density, width_px in _FIBRES:
        fibres = ground.trace(_anywhere(rng, stains, count), 6, 6.0)
        draw_lines(stains.eosin, fibres, density, width_px)
    for count, width_px in _CLEFTS:
        starts = _anywhere(rng, stains, count)
        clefts = ground.trace(starts[ground.look_up(ground.muscle, starts) < 0.3], 5, 5.0)
        draw_lines(stains.eosin, clefts, 4, width_px)
        draw_lines(stains.haematoxylin, clefts, 2, width_px)


def _draw_blood(rng: np.random.Generator, stains: Stains) -> None:
    """Draw small clusters of red cells, which take eosin only."""
    vessels = np.repeat(_anywhere(rng, stains, 420), rng.integers(1, 12, 420), axis=0)
    count = len(vessels)
    centres = vessels + rng.normal(0, 1, (count, 2)) * rng.uniform(3, 10, (count, 1))
    lengths = rng.uniform(7, 11, count)
    cells = blobs(rng, centres, _any_angle(rng, count), lengths, 0.85 * lengths)
    fill_convex(stains.eosin, cells, rng.integers(120, 190, count))
    fill_convex(stains.haematoxylin, cells, np.full(count, 3))


def _draw_cells(rng: np.random.Generator, stains: Stains, ground: Ground) -> None:
    """Draw lymphocytes and plasma cells in crowds, spindle cells along the fibres."""
    centres = _anywhere(rng, stains, 46000)
    muscle = ground.look_up(ground.muscle, centres)
    x, y = centres.astype(np.intp).T
    crowd = cloud(rng, stains.shape, 70, 110)[y, x] * (1 - 0.5 * muscle)
    is_kept = rng.uniform(40, 210, len(crowd)) < crowd
    centres, in_muscle = centres[is_kept], muscle[is_kept] > 0.5
    count = len(centres)
    is_spindle = (rng.random(count) < 0.28) | in_muscle
    direction = ground.look_up(ground.fibres, centres)
    angles = np.arctan2(direction[:, 1], direction[:, 0]) + rng.normal(0, 0.15, count)
    lengths = np.where(is_spindle, rng.uniform(13, 25, count), rng.uniform(7.0, 11.0, count))
    widths = np.where(is_spindle, rng.uniform(3, 5.5, count), lengths * rng.uniform(0.7, 1, count))
    density = rng.uniform(85, 205, count) * np.where(in_muscle, 0.65, 1.0)
    _draw_bodies(rng, stains, centres[~is_spindle], lengths[~is_spindle])
    nuclei = blobs(rng, centres, angles, lengths, widths)
    fill_convex(stains.haematoxylin, nuclei, density)
    fill_convex(stains.eosin, nuclei, rng.integers(30, 55, count))


def _draw_bodies(
    rng: np.random.Generator, stains: Stains, centres: Points, lengths: Floats
) -> None:
    """Draw the cytoplasm of round cells, with the nucleus to one side as in plasma cells."""
    count = len(centres)
    shifted = centres + rng.normal(0, 2.5, (count, 2))
    bodies = blobs(rng, shifted, _any_angle(rng, count), lengths * 1.7, lengths * 1.4, 0.1)
    fill_convex(stains.haematoxylin, bodies, rng.integers(12, 48, count))
    fill_convex(stains.eosin, bodies, rng.integers(35, 75, count))


def _any_angle(rng: np.random.Generator, count: int) -> Floats:
    return rng.uniform(0, np.pi, count)


def _anywhere(rng: np.random.Generator, stains: Stains, count: int) -> Points:
    height, width = stains.shape
    return np.asarray(rng.random((count, 2)) * np.array([width - 1.0, height - 1.0]))


def _mapped(values: NDArray[np.uint8], table: Floats) -> NDArray[np.uint8]:
    """Replace each value by its entry in a table of 256."""
    return _as_uint8(cv2.LUT(values, np.rint(table).astype(np.uint8)))


def _as_uint8(picture: NDArray[np.generic]) -> NDArray[np.uint8]:
    """State the type that OpenCV's signatures leave open."""
    return np.asarray(picture, np.uint8)
