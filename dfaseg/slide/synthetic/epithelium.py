"""The cells that line glands and surface: cytoplasm, mucin, lumens and nuclei."""

import numpy as np

from dfaseg.slide.synthetic.gland import Gland, GlandKind
from dfaseg.slide.synthetic.shapes import (
    Floats,
    Points,
    blobs,
    draw_lines,
    fill_convex,
    smooth_loop,
    waves,
)
from dfaseg.slide.synthetic.stains import Stains

_SURFACE_HEIGHT_PX = 34


def draw_gland(rng: np.random.Generator, stains: Stains, gland: Gland) -> None:
    """Draw one gland from its sheath to its lumen."""
    stains.fill(4, 14, gland.outline(1.04))
    stains.fill(*gland.kind.cytoplasm, gland.outline(1.0))
    _draw_cell_borders(rng, stains, gland)
    _draw_goblets(rng, stains, gland)
    _draw_lumen(rng, stains, gland)
    if gland.kind.is_cribriform:
        _draw_inside(rng, stains, gland)
    _draw_palisade(rng, stains, gland)
    _draw_cracks(rng, stains, gland)
    _draw_sheath(rng, stains, gland)


def draw_surface(
    rng: np.random.Generator, stains: Stains, outline: Points, kind: GlandKind
) -> None:
    """Line the inside of a closed outline, ``(n, 2)``, with columnar cells that look outwards."""
    smooth = smooth_loop(outline, 6)
    along = np.roll(smooth, -4, axis=0) - np.roll(smooth, 4, axis=0)
    inwards = np.stack([-along[:, 1], along[:, 0]], axis=1)
    inwards /= np.hypot(inwards[:, 0], inwards[:, 1])[:, None]
    lining = Gland(kind, wall=smooth + _SURFACE_HEIGHT_PX * inwards, spine=smooth)
    stains.fill(*kind.cytoplasm, lining.outline(-0.1), lining.wall)
    _draw_cell_borders(rng, stains, lining)
    _draw_goblets(rng, stains, lining)
    _draw_palisade(rng, stains, lining)


def _draw_cell_borders(rng: np.random.Generator, stains: Stains, gland: Gland) -> None:
    count = round(gland.perimeter / 10)
    turns = rng.random((count, 1)) + rng.normal(0, 0.5, (count, 4)) / gland.perimeter
    low = rng.uniform(0.15, 0.6, (count, 1))
    borders = gland.at(turns, low + np.linspace(0, 0.36, 4))
    draw_lines(stains.haematoxylin, borders[::2], 68, 2)
    draw_lines(stains.eosin, borders[1::2], 84, 2)


def _draw_goblets(rng: np.random.Generator, stains: Stains, gland: Gland) -> None:
    num_cells = max(6, round(gland.perimeter / 25))
    starts = (np.arange(num_cells) + rng.uniform(-0.25, 0.25, num_cells)) / num_cells
    starts = starts[rng.random(num_cells) < gland.kind.goblet_share, None]
    count = len(starts)
    first, last = gland.kind.goblet_reach
    low = first + rng.uniform(-0.05, 0.16, (count, 1))
    high = last + rng.uniform(-0.14, 0.04, (count, 1))
    # A wine glass: narrow at the lumen, widest at two thirds, rounded above the nucleus.
    up = np.array([0.0, 0.25, 0.55, 0.8, 0.95, 1.0, 0.95, 0.8, 0.55, 0.25])
    side = np.array([0.0, 0.21, 0.36, 0.40, 0.25, 0.0, -0.25, -0.40, -0.36, -0.21])
    turns = starts + side * rng.uniform(0.8, 1.3, (count, 1)) / num_cells
    thecae = gland.at(turns, low + up * (high - low))
    fill_convex(stains.haematoxylin, thecae, rng.integers(12, 38, count))
    fill_convex(stains.eosin, thecae, rng.integers(8, 26, count))
    strands = starts + rng.normal(0, 0.2, (count, 3)) / num_cells
    draw_lines(
        stains.haematoxylin,
        gland.at(strands, low + np.array([0.1, 0.5, 0.9]) * (high - low)),
        28,
        1,
    )


def _draw_lumen(rng: np.random.Generator, stains: Stains, gland: Gland) -> None:
    turns = np.linspace(0, 2 * np.pi, len(gland.wall), endpoint=False)
    wobble = waves(rng, turns, {2: 0.16, 3: 0.14, 5: 0.1, 9: 0.08, 14: 0.06})
    rho = gland.kind.lumen * rng.uniform(0.6, 1.5) * np.exp(wobble)
    draw_lines(stains.eosin, gland.outline(rho + 0.02)[None], 82, 5, closed=True)
    stains.fill(int(rng.integers(1, 8)), int(rng.integers(1, 10)), gland.outline(rho))
    _draw_debris(rng, stains, gland.spine[rng.integers(0, len(turns), int(rng.integers(0, 12)))])


def _draw_debris(rng: np.random.Generator, stains: Stains, centres: Points) -> None:
    """Draw mucus and dead cells near some points of a lumen."""
    count = len(centres)
    places = centres + rng.normal(0, 3, (count, 2))
    lengths = rng.uniform(3, 11, count)
    widths = lengths * rng.uniform(0.5, 1, count)
    shapes = blobs(rng, places, rng.uniform(0, np.pi, count), lengths, widths, 0.15)
    fill_convex(stains.eosin, shapes, rng.integers(8, 70, count))
    fill_convex(stains.haematoxylin, shapes, rng.integers(4, 50, count))


def _draw_inside(rng: np.random.Generator, stains: Stains, gland: Gland) -> None:
    """Fill the inside of a cribriform gland with nuclei and smaller lumens."""
    count = round(gland.area / rng.uniform(280, 480))
    turns, rho = rng.random(count), np.sqrt(rng.uniform(0.05, 0.7, count))
    _draw_nuclei(rng, stains, gland.kind, gland.at(turns, rho), rng.uniform(0, np.pi, count))
    holes = round(gland.area * rng.uniform(1 / 6000, 1 / 2000))
    centres = gland.at(rng.random(holes), rng.uniform(0.25, 0.66, holes))
    angles, lengths = rng.uniform(0, np.pi, holes), rng.uniform(12, 46, holes)
    widths = lengths * rng.uniform(0.4, 0.9, holes)
    rims = blobs(rng, centres, angles, lengths + 22, widths + 22, 0.05)
    lumens = blobs(rng, centres, angles, lengths, widths, 0.13)
    for rim, lumen, centre in zip(rims, lumens, centres, strict=True):
        stains.fill(34, 84, rim)
        stains.fill(4, 8, lumen)
        _draw_debris(rng, stains, np.repeat(centre[None], int(rng.integers(0, 7)), axis=0))


def _draw_palisade(rng: np.random.Generator, stains: Stains, gland: Gland) -> None:
    """Draw the nuclei along the wall, all layers mixed as in a thick section."""
    kind = gland.kind
    per_layer, num_layers = round(gland.perimeter / kind.nuclear_step), len(kind.nuclear_layers)
    count = per_layer * num_layers
    turns = np.tile(np.arange(per_layer), num_layers) + rng.uniform(-0.45, 0.45, count)
    turns = turns / per_layer
    depths = np.repeat(kind.nuclear_layers, per_layer) + rng.normal(
        0, 2 + 4 * kind.disorder**2, count
    )
    reach = gland.reach(turns)
    heights = np.hypot(reach[:, 0], reach[:, 1])
    rho = 1 - np.maximum(depths, kind.nuclear_layers[0] - 1) / np.maximum(heights, 1.0)
    order = rng.permutation(np.flatnonzero(rho > kind.lumen + 0.12))
    angles = np.arctan2(reach[:, 1], reach[:, 0]) + rng.normal(0, kind.disorder, count)
    _draw_nuclei(rng, stains, kind, gland.at(turns, rho)[order], angles[order])


def _draw_nuclei(
    rng: np.random.Generator, stains: Stains, kind: GlandKind, centres: Points, angles: Floats
) -> None:
    count = len(centres)
    lengths = kind.nuclear_size[0] * rng.uniform(0.7, 1.3, count)
    widths = kind.nuclear_size[1] * rng.uniform(0.75, 1.25, count)
    density = kind.nuclear_density * rng.uniform(0.55, 1.2, count)
    membranes = blobs(rng, centres, angles, lengths, widths)
    fill_convex(stains.haematoxylin, membranes, density)
    fill_convex(stains.eosin, membranes, rng.integers(35, 60, count))
    shifted = centres + rng.normal(0, 1, (count, 2))
    insides = blobs(rng, shifted, angles, lengths * 0.62, widths * 0.55)
    fill_convex(stains.haematoxylin, insides, density * rng.uniform(*kind.clearing, count))


def _draw_cracks(rng: np.random.Generator, stains: Stains, gland: Gland) -> None:
    """Draw the pale slits that shrinkage opens between neighbouring cells."""
    count = round(gland.perimeter / 22)
    turns = rng.random((count, 1)) + rng.normal(0, 1.0, (count, 4)) / gland.perimeter
    low = rng.uniform(0.35, 0.7, (count, 1))
    slits = gland.at(turns, low + np.linspace(0, 1, 4) * rng.uniform(0.1, 0.27, (count, 1)))
    draw_lines(stains.haematoxylin, slits, 30, 2)
    draw_lines(stains.eosin, slits[::2], 30, 2)


def _draw_sheath(rng: np.random.Generator, stains: Stains, gland: Gland) -> None:
    """Draw the membrane on which the cells stand, and clefts where it has come off the stroma."""
    membrane = gland.outline(1.03)[None]
    draw_lines(stains.haematoxylin, membrane, 16, 2, closed=True)
    draw_lines(stains.eosin, membrane, int(rng.integers(30, 62)), 2, closed=True)
    count = round(gland.perimeter / 60)
    turns = rng.random((count, 1)) + np.linspace(0, 1, 6) * rng.uniform(0.03, 0.14, (count, 1))
    clefts = gland.at(turns, rng.uniform(1.04, 1.09, (count, 1)) + rng.normal(0, 0.006, (count, 6)))
    draw_lines(stains.haematoxylin, clefts[::2], 3, int(rng.integers(2, 5)))
    draw_lines(stains.eosin, clefts[::2], 6, int(rng.integers(2, 5)))
    draw_lines(stains.eosin, clefts[1::2], 78, 2)
