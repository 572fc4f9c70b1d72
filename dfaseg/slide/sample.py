"""The built-in slide: a small picture of stained large bowel that the package draws by itself.

It lets a newcomer see a result right after the install. From left to right it shows normal crypts,
an adenoma with low-grade dysplasia and an adenocarcinoma, with a strip of muscle below, a second
fragment, and an ink stroke on the glass. It resembles tissue; it is not a picture of any patient.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from dfaseg.slide.array import ArraySlide
from dfaseg.slide.identity import SAMPLE
from dfaseg.slide.resolution import StatedResolution, choose_resolution
from dfaseg.slide.slide import Slide
from dfaseg.slide.synthetic.epithelium import draw_gland, draw_surface
from dfaseg.slide.synthetic.gland import (
    CARCINOMA,
    LOW_GRADE,
    NEST,
    NORMAL,
    SURFACE,
    Gland,
    GlandKind,
    Plot,
    grow,
    thin_out,
)
from dfaseg.slide.synthetic.shapes import Floats, Points, draw_lines, step_evenly, waves
from dfaseg.slide.synthetic.stains import Stains, cloud, develop, photograph
from dfaseg.slide.synthetic.stroma import MAP_PX, draw_stroma, lay_ground

SAMPLE_MPP = 0.7
"""µm per pixel of the sample slide."""

_WIDTH, _HEIGHT = 3000, 2200
_MAIN_FRAGMENT = (1500.0, 900.0, 1300.0, 730.0)
"""Centre and half axes of the larger piece of tissue, px."""
_SMALL_FRAGMENT = (880.0, 1925.0, 560.0, 165.0)
_BETWEEN_FRAGMENTS_Y = 1690.0
_SURFACE_END_X = 1560
"""Left of here the upper edge is lined with cells; right of it the tumour has broken through."""
_INK_TRANSMITTANCE = (0.13, 0.28, 0.70)


def open_sample(mpp: float | None = None, slide_id: str = SAMPLE) -> Slide:
    """Open the built-in slide, drawn in memory.

    Args:
        mpp: µm per level-0 pixel; wins over what the slide was drawn for.
        slide_id: The slide's name in results.

    Raises:
        ConfigError: ``mpp`` is not a resolution that a slide can have.
    """
    stated = StatedResolution(SAMPLE_MPP, SAMPLE_MPP, "metadata")
    resolution = choose_resolution("sample", (stated,), None, mpp)
    return ArraySlide(
        make_sample_image(),
        mpp=resolution.mpp,
        mpp_source=resolution.source,
        slide_id=slide_id,
        downsamples=(1, 4),
    )


def make_sample_image(seed: int = 0) -> NDArray[np.uint8]:
    """Draw a slide of large-bowel tissue stained with haematoxylin and eosin.

    Args:
        seed: Another number gives other tissue of the same layout.

    Returns:
        RGB picture, shape ``(2200, 3000, 3)``, at ``SAMPLE_MPP``; the same for the same seed.
    """
    rng = np.random.default_rng(seed)
    outlines = [_outline(rng, *_MAIN_FRAGMENT), _outline(rng, *_SMALL_FRAGMENT)]
    tissue = _filled(outlines)
    glands = grow(rng, _place_glands(rng, tissue))
    stains = Stains.clear(_WIDTH, _HEIGHT)
    y, x = np.indices((_HEIGHT // MAP_PX, _WIDTH // MAP_PX)) * float(MAP_PX)
    draw_stroma(rng, stains, lay_ground(np.clip(_depth_in_muscle(x, y) / 50, 0, 1), glands))
    _draw_epithelium(rng, stains, glands, outlines[0])
    stains.soften(0.75)
    stains.cut(tissue)
    _stain_unevenly(rng, stains)
    picture = develop(stains)
    _draw_ink(rng, picture[1660:2160, 2250:2950])
    return photograph(rng, picture)


def _outline(
    rng: np.random.Generator, x: float, y: float, half_width: float, half_height: float
) -> Points:
    """Return a piece of tissue: a rounded box, bulging in large waves and torn in small ones."""
    turns = np.linspace(0, 2 * np.pi, 1400, endpoint=False)
    box = (np.abs(np.cos(turns)) ** 2.6 + np.abs(np.sin(turns)) ** 2.6) ** (-1 / 2.6)
    bulges = waves(rng, turns, {count: 0.14 / count for count in range(2, 16)})
    tears = waves(rng, turns, {count: 0.12 / count for count in range(12, 150, 5)})
    # y points down: the sine is negative on the upper, intact side.
    is_torn = 0.12 + 0.88 / (1 + np.exp(-6 * np.sin(turns) - 6 * np.cos(turns) + 1.0))
    size = box * (1 + bulges + tears * is_torn)
    edge = [x + half_width * size * np.cos(turns), y + half_height * size * np.sin(turns)]
    return step_evenly(np.stack(edge, axis=1))


def _filled(outlines: list[Points]) -> NDArray[np.uint8]:
    """Return where there is tissue: 255, falling to 0 at its edge, shape ``(h, w)``."""
    tissue = np.zeros((_HEIGHT, _WIDTH), np.uint8)
    cv2.fillPoly(tissue, [np.rint(outline).astype(np.int32) for outline in outlines], 255)
    return np.asarray(cv2.GaussianBlur(tissue, (5, 5), 1.2), np.uint8)


def _place_glands(rng: np.random.Generator, tissue: NDArray[np.uint8]) -> list[Plot]:
    centres = rng.random((9000, 2)) * np.array([_WIDTH - 1.0, _HEIGHT - 1.0])
    x, y = centres.T
    is_free = (tissue[y.astype(np.intp), x.astype(np.intp)] > 0) & (_depth_in_muscle(x, y) < -70)
    angles = 1.2 + 0.5 * np.sin(x / 300) + 0.4 * np.sin(y / 260) + rng.normal(0, 0.25, len(x))
    places = zip(centres[is_free], angles[is_free], strict=True)
    return thin_out([Plot(centre, angle, _kind_at(rng, centre)) for centre, angle in places])


def _kind_at(rng: np.random.Generator, centre: Points) -> GlandKind:
    x, y = centre
    if y > _BETWEEN_FRAGMENTS_Y:
        return NORMAL
    progress = x + 90 * np.sin(y / 170) + rng.normal(0, 40)
    if progress < 1050:
        return NORMAL
    if progress < 1780:
        return LOW_GRADE
    return NEST if rng.random() < 0.12 else CARCINOMA


def _depth_in_muscle(x: Floats, y: Floats) -> Floats:
    """Return the distance below the upper border of the muscle, px; negative outside it."""
    border = 1350 + 50 * np.sin(x / 260) + 0.5 * np.maximum(x - 1700, 0)
    return np.where(y < _BETWEEN_FRAGMENTS_Y, y - border, -1000.0)


def _draw_epithelium(
    rng: np.random.Generator, stains: Stains, glands: list[Gland], outline: Points
) -> None:
    for gland in glands:
        draw_gland(rng, stains, gland)
    lined = Stains(stains.haematoxylin.copy(), stains.eosin.copy())
    draw_surface(rng, lined, outline, SURFACE)
    upper_left = slice(0, int(_MAIN_FRAGMENT[1])), slice(0, _SURFACE_END_X)
    stains.haematoxylin[upper_left] = lined.haematoxylin[upper_left]
    stains.eosin[upper_left] = lined.eosin[upper_left]


def _stain_unevenly(rng: np.random.Generator, stains: Stains) -> None:
    """Give the stains grain: chromatin, cytoplasm, and the section's varying thickness."""
    shape = stains.shape
    for grain_px, chromatin, cytoplasm in ((2, 42, 26), (3, 80, 60), (7, 40, 45), (110, 26, 26)):
        stains.scale(cloud(rng, shape, grain_px, chromatin), cloud(rng, shape, grain_px, cytoplasm))


def _draw_ink(rng: np.random.Generator, glass: NDArray[np.uint8]) -> None:
    """Draw a stroke of a blue pen, in place, on a part of the picture, ``(h, w, 3)``."""
    height, width, _ = glass.shape
    ink = np.zeros((height, width), np.uint8)
    part = np.linspace(0, 1, 48)
    stroke = np.stack([130 + 450 * part, 340 - 170 * part + 35 * np.sin(5 * part)], axis=1)
    across = np.array([0.35, 0.94])
    for offset in rng.permutation(np.linspace(-60, 60, 48)):
        # Each bristle sets down and lifts off for itself.
        first, last = int(rng.integers(0, 4)), int(rng.integers(42, 48))
        bristle = stroke[first:last] + across * offset
        draw_lines(ink, bristle[None], int(rng.integers(180, 225)), 8)
    cv2.GaussianBlur(ink, (13, 13), 3.0, ink)
    cv2.multiply(ink, cloud(rng, (height, width), 30, 24), ink, 1 / 128)
    absorbed = ink[..., None] / 255 * (1 - np.array(_INK_TRANSMITTANCE))
    glass[:] = np.rint(glass * (1 - absorbed)).astype(np.uint8)
