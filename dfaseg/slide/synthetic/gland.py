"""Where the glands of the sample slide lie and how their walls run."""

from dataclasses import dataclass

import numpy as np

from dfaseg.slide.synthetic.shapes import (
    Floats,
    Points,
    along_loop,
    smooth_loop,
    step_evenly,
    waves,
)

_NUM_RAYS = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class GlandKind:
    """How one kind of gland looks; lengths in level-0 px, densities in hundredths.

    Attributes:
        spacing: Least distance between the centres of two neighbours, across their long axis.
        radius: Largest half width.
        smallest: Radius of the smallest gland, as a part of ``radius``.
        elongation: Long axis over short axis.
        raggedness: Relative deviation of the wall from an ellipse.
        gap: Half the stroma between two walls that would touch.
        lumen: Size of the lumen, as a part of the way from spine to wall.
        cytoplasm: Density of haematoxylin and eosin.
        goblet_share: Part of the cells that hold a mucin vacuole.
        goblet_reach: Where the vacuoles begin and end on the way from spine to wall.
        nuclear_layers: Depth of the middle of each layer of nuclei below the wall.
        nuclear_step: Distance between nuclei along the wall.
        nuclear_size: Length and width.
        nuclear_density: Haematoxylin.
        clearing: Density inside a nucleus over that at its membrane, least and most.
        disorder: How far nuclei lean away from the wall's normal, radians.
        is_cribriform: Whether nuclei and further lumens fill the inside.
    """

    spacing: float
    radius: float
    smallest: float = 0.84
    elongation: float
    raggedness: float = 0.05
    gap: float
    lumen: float
    cytoplasm: tuple[int, int]
    goblet_share: float
    goblet_reach: tuple[float, float]
    nuclear_layers: tuple[float, ...]
    nuclear_step: float
    nuclear_size: tuple[float, float]
    nuclear_density: int
    clearing: tuple[float, float] = (0.7, 1.1)
    disorder: float = 0.2
    is_cribriform: bool = False


NORMAL = GlandKind(
    spacing=122, radius=66, smallest=0.75, elongation=1.22, gap=8, lumen=0.15,
    cytoplasm=(50, 56), goblet_share=0.94, goblet_reach=(0.20, 0.78),
    nuclear_layers=(8.0, 12.0), nuclear_step=9.0, nuclear_size=(11.0, 7.5), nuclear_density=185,
    disorder=0.5,
)  # fmt: skip
"""A crypt: a rosette of goblet cells over one basal row of nuclei."""
LOW_GRADE = GlandKind(
    spacing=106, radius=66, elongation=1.9, raggedness=0.07, gap=6, lumen=0.17,
    cytoplasm=(52, 62), goblet_share=0.2, goblet_reach=(0.30, 0.58),
    nuclear_layers=(12.0, 19.0, 28.0), nuclear_step=9.5, nuclear_size=(19.0, 5.6),
    nuclear_density=180,
)  # fmt: skip
"""An adenoma's tubule: crowded, elongated, its pencil-like nuclei in several rows."""
CARCINOMA = GlandKind(
    spacing=126, radius=125, smallest=0.7, elongation=1.45, raggedness=0.13, gap=5, lumen=0.09,
    cytoplasm=(40, 70), goblet_share=0.03, goblet_reach=(0.35, 0.6),
    nuclear_layers=(11.0, 22.0), nuclear_step=13.5, nuclear_size=(15.5, 10.5),
    nuclear_density=165, clearing=(0.5, 0.95), disorder=0.7, is_cribriform=True,
)  # fmt: skip
"""An irregular gland with lumens within lumens and large, uneven nuclei."""
NEST = GlandKind(
    spacing=76, radius=44, smallest=0.4, elongation=1.6, raggedness=0.15, gap=5, lumen=0.05,
    cytoplasm=(42, 72), goblet_share=0.0, goblet_reach=(0.3, 0.6),
    nuclear_layers=(9.0, 20.0), nuclear_step=12.0, nuclear_size=(15.0, 10.0),
    nuclear_density=155, clearing=(0.5, 1.0), disorder=0.8,
)  # fmt: skip
"""A few tumour cells on their own in the stroma."""
SURFACE = GlandKind(
    spacing=0, radius=0, elongation=1, gap=0, lumen=0.0,
    cytoplasm=(44, 60), goblet_share=0.45, goblet_reach=(0.12, 0.6),
    nuclear_layers=(10.0,), nuclear_step=7.5, nuclear_size=(12.0, 6.0), nuclear_density=155,
)  # fmt: skip
"""The columnar cells between mucosa and gut."""


@dataclass(frozen=True, slots=True)
class Plot:
    """A place for one gland, chosen before its neighbours are known.

    Attributes:
        centre: Position, shape ``(2,)``.
        angle: Direction of the long axis in radians.
        kind: What will grow there.
    """

    centre: Points
    angle: float
    kind: GlandKind

    def framed(self, offsets: Points) -> Points:
        """Return offsets along and across the long axis, the former shrunk by the elongation."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        along = (offsets[:, 0] * cos + offsets[:, 1] * sin) / self.kind.elongation
        return np.stack([along, offsets[:, 1] * cos - offsets[:, 0] * sin], axis=1)

    def unframed(self, framed: Points) -> Points:
        """Return positions on the slide, the inverse of ``framed``."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        along, across = framed[:, 0] * self.kind.elongation, framed[:, 1]
        offsets = np.stack([along * cos - across * sin, along * sin + across * cos], axis=1)
        return np.asarray(self.centre + offsets)


@dataclass(frozen=True, slots=True)
class Gland:
    """One gland: its wall and, for each point of it, the point of the long axis it looks at.

    Attributes:
        kind: How it looks.
        wall: Outline at equal steps, shape ``(n, 2)``.
        spine: Where the cell at each point of the wall points to, shape ``(n, 2)``.
    """

    kind: GlandKind
    wall: Points
    spine: Points

    def at(self, turns: Floats, rho: Floats) -> Points:
        """Return positions from the way round the wall and the way from spine to wall, 0 to 1."""
        spine = along_loop(self.spine, turns)
        return np.asarray(spine + rho[..., None] * (along_loop(self.wall, turns) - spine))

    def outline(self, rho: float | Floats) -> Points:
        """Return the closed line at one part of the way from spine to wall, shape ``(n, 2)``."""
        way = np.asarray(rho, np.float64)[..., None]
        return np.asarray(self.spine + way * (self.wall - self.spine))

    def reach(self, turns: Floats) -> Points:
        """Return the vectors from spine to wall."""
        return along_loop(self.wall, turns) - along_loop(self.spine, turns)

    @property
    def perimeter(self) -> float:
        """Length of the wall in px."""
        steps = np.diff(self.wall, axis=0, append=self.wall[:1])
        return float(np.hypot(steps[:, 0], steps[:, 1]).sum())

    @property
    def area(self) -> float:
        """Area inside the wall in px²."""
        x, y = self.wall.T
        return float(abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2)


def thin_out(candidates: list[Plot]) -> list[Plot]:
    """Keep those candidates, in order, that are far enough from all that were kept before."""
    kept: list[Plot] = []
    centres = np.empty((len(candidates), 2))
    for plot in candidates:
        others = plot.framed(centres[: len(kept)] - plot.centre)
        if ((others**2).sum(axis=1) >= plot.kind.spacing**2).all():
            centres[len(kept)] = plot.centre
            kept.append(plot)
    return kept


def grow(rng: np.random.Generator, plots: list[Plot]) -> list[Gland]:
    """Let each gland fill its plot, up to its own radius or the gap to its neighbours."""
    centres = np.array([plot.centre for plot in plots]).reshape(-1, 2)
    return [_grow_one(rng, plot, plot.framed(centres - plot.centre)) for plot in plots]


def _grow_one(rng: np.random.Generator, plot: Plot, others: Points) -> Gland:
    kind = plot.kind
    rays = np.linspace(0, 2 * np.pi, _NUM_RAYS, endpoint=False)
    squared = (others**2).sum(axis=1)
    is_near = (squared > 0) & (squared < (4 * kind.radius) ** 2)
    towards = others[is_near] @ np.stack([np.cos(rays), np.sin(rays)])  # (others, rays)
    # A ray of direction u meets the bisector to a neighbour at offset d after |d|² / (2 d·u).
    border = (squared[is_near, None] / (2 * np.maximum(towards, 1e-6))).min(axis=0, initial=1e6)
    shape = 1 + waves(rng, rays, {count: kind.raggedness * 1.6 / count for count in range(2, 7)})
    size = kind.radius * rng.uniform(kind.smallest, 1.08) * shape
    rounded = smooth_loop(np.minimum(border - kind.gap, size)[:, None], 7)
    # Rounding must not push the wall over the border to a neighbour.
    reach = np.clip(rounded, 12.0, border[:, None] - 1.0)
    return _build(plot, reach * np.stack([np.cos(rays), np.sin(rays)], axis=1))


def _build(plot: Plot, framed_wall: Points) -> Gland:
    stretch = np.array([plot.kind.elongation, 1.0])
    wall = step_evenly(framed_wall * stretch)
    longest, widest = np.abs(wall).max(axis=0)
    half = max(0.0, float(longest - widest)) * 0.9
    # A sine, not a clip, so that a slit-like lumen tapers at both ends.
    along = half * np.sin(np.pi / 2 * wall[:, 0] / longest)
    spine = np.stack([along, np.zeros_like(along)], axis=1)
    return Gland(plot.kind, plot.unframed(wall / stretch), plot.unframed(spine / stretch))
