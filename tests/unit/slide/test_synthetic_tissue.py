"""The parts of which the sample slide is made: stains, shapes, glands and fibres."""

import numpy as np
import pytest

from dfaseg.slide.synthetic.epithelium import draw_gland
from dfaseg.slide.synthetic.gland import (
    CARCINOMA,
    LOW_GRADE,
    NEST,
    NORMAL,
    GlandKind,
    Plot,
    grow,
    thin_out,
)
from dfaseg.slide.synthetic.shapes import blobs, fill_convex, smooth_loop, step_evenly
from dfaseg.slide.synthetic.stains import GLASS_RGB, Stains, cloud, develop, photograph
from dfaseg.slide.synthetic.stroma import lay_ground

ALL_KINDS = pytest.mark.parametrize(
    "kind", [NORMAL, LOW_GRADE, CARCINOMA, NEST], ids=["normal", "low", "carcinoma", "nest"]
)


def plots(kind: GlandKind, *centres: tuple[float, float]) -> list[Plot]:
    """Return upright plots of one kind."""
    return [Plot(np.array(centre), 0.0, kind) for centre in centres]


def test_unstained_tissue_is_glass() -> None:
    """Without stain nothing absorbs."""
    assert (develop(Stains.clear(4, 3)) == GLASS_RGB).all()


def test_twice_the_stain_squares_the_transmittance() -> None:
    """Densities add up as the Beer-Lambert law says."""
    stains = Stains(np.array([[0, 40, 80]], np.uint8), np.array([[0, 30, 60]], np.uint8))

    glass, once, twice = develop(stains)[0].astype(np.float64)

    np.testing.assert_allclose(twice / glass, (once / glass) ** 2, atol=0.01)


def test_haematoxylin_is_bluer_than_eosin() -> None:
    """Nuclei turn purple-blue, fibres pink."""
    stains = Stains(np.array([[100, 0]], np.uint8), np.array([[0, 100]], np.uint8))

    nucleus, fibre = develop(stains)[0].astype(int)

    assert nucleus[2] > nucleus[0]
    assert fibre[0] > fibre[2]


@pytest.mark.parametrize("grain_px", [2, 3, 7, 110])
def test_cloud_has_the_wanted_shape_and_stays_in_its_range(grain_px: int) -> None:
    """A texture neither brightens nor darkens what it is laid upon."""
    texture = cloud(np.random.default_rng(1), (660, 880), grain_px, 40)

    assert texture.shape == (660, 880)
    assert texture.min() >= 88
    assert texture.max() <= 168
    assert abs(texture.mean() - 128) < 15


def test_photograph_keeps_the_mean_colour() -> None:
    """Blur, sharpening and noise do not shift colours."""
    grey = np.full((64, 64, 3), 120, np.uint8)

    taken = photograph(np.random.default_rng(0), grey)

    assert abs(taken.mean() - 120) < 0.2
    assert taken.std() > 1


def test_convex_outlines_are_filled_with_their_own_density() -> None:
    """Each nucleus has its own stain."""
    plane = np.zeros((40, 80), np.uint8)
    centres = np.array([[20.0, 20.0], [60.0, 20.0]])
    size = np.array([16.0, 16.0])

    fill_convex(plane, blobs(np.random.default_rng(0), centres, size, size, size), [50, 90])

    assert plane[20, 20] == 50
    assert plane[20, 60] == 90
    assert plane[20, 40] == 0


def test_even_steps_along_a_loop_have_one_length() -> None:
    """Nuclei along an elongated wall must not crowd at its ends."""
    turns = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    loop = step_evenly(np.stack([40 * np.cos(turns), 10 * np.sin(turns)], axis=1))

    steps = np.hypot(*np.diff(loop, axis=0, append=loop[:1]).T)

    assert np.ptp(steps) < 0.05 * steps.mean()


def test_smoothing_a_constant_loop_changes_nothing() -> None:
    """The window is normalised, also where the loop closes."""
    np.testing.assert_allclose(smooth_loop(np.full((30, 2), 7.0), 5), 7.0)


@ALL_KINDS
def test_thinned_plots_keep_their_distance(kind: GlandKind) -> None:
    """Of crowded candidates the first is kept; no two are closer than the spacing."""
    rng = np.random.default_rng(2)
    crowd = plots(kind, *((float(x), float(y)) for x, y in rng.uniform(0, 600, (80, 2))))

    kept = thin_out(crowd)

    assert kept[0] is crowd[0]
    for index, plot in enumerate(kept):
        others = plot.framed(np.array([other.centre for other in kept[:index]]).reshape(-1, 2))
        distances = np.hypot(*(others - plot.framed(plot.centre[None])).T)
        assert (distances >= kind.spacing - 1e-9).all()


@ALL_KINDS
def test_neighbouring_walls_do_not_cross(kind: GlandKind) -> None:
    """However crowded, stroma is left between two glands."""
    left, right = grow(np.random.default_rng(3), plots(kind, (0.0, 0.0), (kind.spacing, 0.0)))

    assert left.wall[:, 0].max() < right.wall[:, 0].min()


def test_gland_without_neighbours_reaches_its_own_size() -> None:
    """A lone gland is limited by its radius only."""
    (gland,) = grow(np.random.default_rng(4), plots(NORMAL, (0.0, 0.0)))

    radii = np.hypot(*gland.wall.T)

    assert 0.6 * NORMAL.radius < radii.min()
    assert radii.max() < 1.5 * NORMAL.elongation * NORMAL.radius


def test_no_plots_give_no_glands() -> None:
    """Tissue may hold no gland at all."""
    assert grow(np.random.default_rng(0), []) == []


@pytest.mark.parametrize("kind", [NORMAL, LOW_GRADE, CARCINOMA], ids=["normal", "low", "carcinoma"])
def test_drawn_gland_has_dark_nuclei_at_its_wall_and_a_pale_lumen(kind: GlandKind) -> None:
    """The palisade holds more haematoxylin than the middle."""
    rng = np.random.default_rng(5)
    (gland,) = grow(rng, plots(kind, (200.0, 200.0)))
    stains = Stains.clear(400, 400)

    draw_gland(rng, stains, gland)

    def haematoxylin(rho: float) -> float:
        x, y = gland.outline(rho).astype(int).T
        return float(stains.haematoxylin[y, x].mean())

    assert haematoxylin(0.85) > 60
    assert haematoxylin(0.85) > 2 * haematoxylin(kind.lumen / 3)


def test_fibres_run_round_glands() -> None:
    """Near a wall the fibres follow it instead of ending there."""
    (gland,) = grow(np.random.default_rng(6), plots(NORMAL, (200.0, 200.0)))
    ground = lay_ground(np.zeros((100, 100)), [gland])
    turns = np.linspace(0, 1, 40, endpoint=False)

    fibres = ground.look_up(ground.fibres, gland.at(turns, np.full(40, 1.1)))
    normals = gland.reach(turns)
    normals /= np.hypot(*normals.T)[:, None]

    assert np.median(np.abs((fibres * normals).sum(axis=1))) < 0.5


def test_traced_fibres_advance_by_the_step() -> None:
    """Directions are unit vectors."""
    ground = lay_ground(np.zeros((50, 50)), [])

    path = ground.trace(np.array([[40.0, 60.0], [100.0, 120.0]]), 5, 3.0)

    assert path.shape == (2, 6, 2)
    np.testing.assert_allclose(np.hypot(*np.diff(path, axis=1).reshape(-1, 2).T), 3.0)


def test_fibres_lie_along_the_muscle() -> None:
    """In pure muscle the fibres hardly leave the horizontal."""
    ground = lay_ground(np.ones((50, 50)), [])

    assert (np.abs(ground.fibres[..., 1]) < 0.3).all()
