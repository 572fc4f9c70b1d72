"""Lookalikes: painted where they belong, in the patch's colours, and labelled as background."""

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.training.colour import vary_colour
from dfaseg.training.lookalikes import LookalikePainter
from dfaseg.training.lookalikes.blood import paint_blood
from dfaseg.training.lookalikes.cells import scatter
from dfaseg.training.lookalikes.fat import paint_fat
from dfaseg.training.lookalikes.painter import Paint
from dfaseg.training.lookalikes.palette import Palette
from dfaseg.training.lookalikes.scrambled import scramble
from dfaseg.training.lookalikes.squamous import paint_squamous
from dfaseg.training.spec import AugmentSpec
from tests.labelled import make_composer, make_split

STROMA, NUCLEUS, GLAND, GLASS = (200, 90, 140), (70, 40, 110), (150, 80, 180), (240, 240, 240)
NOTHING = AugmentSpec(mosaic=0, glass=0, stain=0, brightness=0, contrast=0, blur=0, noise=0)
TEXTURES = (paint_squamous, paint_fat, paint_blood)


def _patch() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return stroma with a few nuclei left, a gland in the middle and glass right."""
    image = np.full((96, 120, 3), STROMA, np.uint8)
    label = np.zeros((96, 120), np.uint8)
    image[::12, :40:8] = NUCLEUS
    image[:, 40:80], label[:, 40:80] = GLAND, 1
    image[:, 80:] = GLASS
    label[:2] = IGNORE_INDEX
    return image, label


@pytest.mark.parametrize("seed", range(6))
def test_inflammation_darkens_stroma_only(seed: int) -> None:
    """Glands, glass and ignored pixels keep their colours, and every pixel its label."""
    image, label = _patch()
    before, truth = image.copy(), label.copy()

    LookalikePainter(dataclasses.replace(NOTHING, infiltrate=1.0), 0).add(
        image, label, np.random.default_rng(seed)
    )

    changed = (image != before).any(axis=-1)
    assert changed.any()
    assert not changed[:2].any()
    assert not changed[:, 40:80].any()
    assert not changed[:, 84:].any()  # the border is found in a blurred picture
    assert image[:, :36].mean() < before[:, :36].mean()
    assert np.array_equal(label, truth)


@pytest.mark.parametrize("kind", ["squamous", "fat", "blood", "scrambled"])
@pytest.mark.parametrize("seed", range(4))
def test_what_is_painted_over_is_background(kind: str, seed: int) -> None:
    """Wherever a pixel changed its label is background; all others keep theirs."""
    image, label = _patch()
    before, truth = image.copy(), label.copy()
    spec = dataclasses.replace(NOTHING, **{kind: 1.0})

    LookalikePainter(spec, 0).add(image, label, np.random.default_rng(seed))

    changed = (image != before).any(axis=-1)
    assert (label[changed] == 0).all()
    kept = label != 0
    assert np.array_equal(label[kept], truth[kept])


@pytest.mark.parametrize("paint", TEXTURES, ids=lambda paint: paint.__name__)
@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (97, 41)], ids=str)
def test_textures_fill_any_size(paint: Paint, shape: tuple[int, int]) -> None:
    """Parts of a mosaic have any width and height."""
    palette = Palette(np.array(NUCLEUS, np.float32), np.array(STROMA, np.float32))

    for seed in range(10):
        pixels = paint(shape, palette, np.random.default_rng(seed))

        assert pixels.shape == (*shape, 3)
        assert np.isfinite(pixels).all()


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (97, 41)], ids=str)
@pytest.mark.parametrize("has_gland", [True, False])
def test_scrambled_tissue_fills_any_size(shape: tuple[int, int], has_gland: bool) -> None:
    """It is made of whatever there is, gland or not."""
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)

    for seed in range(10):
        pixels = scramble(image, np.full(shape, has_gland), np.random.default_rng(seed))

        assert pixels.shape == (*shape, 3)
        assert np.isfinite(pixels).all()


def test_scrambled_tissue_keeps_colours_and_loses_shapes() -> None:
    """A wall of dark cells around a pale lumen is neither wall nor lumen any more."""
    y, x = np.mgrid[0:128, 0:128] - 64
    wall = np.abs(np.hypot(x, y) - 40) < 16
    image = np.where(wall[..., None], NUCLEUS, STROMA).astype(np.uint8)

    for seed in range(12):
        pixels = scramble(image, wall, np.random.default_rng(seed))

        dark = pixels.mean(axis=-1) < image.mean()
        assert abs(np.corrcoef(dark.ravel(), wall.ravel())[0, 1]) < 0.3
        least, most = np.minimum(NUCLEUS, STROMA) - 90, np.maximum(NUCLEUS, STROMA) + 90
        inside = (pixels >= least) & (pixels <= most)
        assert inside.mean() > 0.9


def test_palette_finds_nuclei_and_eosin() -> None:
    """Dark purple is taken for nuclei, the reddest for eosin, glass for neither."""
    image, _ = _patch()

    palette = Palette.of(image)

    assert np.abs(palette.nuclei - NUCLEUS).max() < 40
    assert np.abs(palette.eosin - STROMA).max() < 15


def test_palette_of_glass_is_typical() -> None:
    """Without tissue there is nothing to measure, and colours are still those of H&E."""
    palette = Palette.of(np.full((50, 50, 3), 245, np.uint8))

    assert palette.nuclei.mean() < palette.eosin.mean() < 200


def test_cells_lie_where_the_density_is() -> None:
    """No disc lies in the half without density, and there are more the higher it is."""
    rng = np.random.default_rng(0)
    density = np.zeros((100, 200), np.float32)
    density[:, 100:] = 1

    dense = scatter(density, 8, 5, rng)
    sparse = scatter(density * np.float32(0.2), 8, 5, rng)

    assert dense[:, :90].max() == 0
    assert dense[:, 110:].mean() > 2 * sparse[:, 110:].mean() > 0
    assert dense.max() <= 1


def test_same_chance_paints_the_same() -> None:
    """A patch with lookalikes depends on its index and its random numbers only."""
    spec = AugmentSpec(infiltrate=0.5, squamous=0.5, fat=0.5, blood=0.5, scrambled=0.5, jpeg=0.5)
    composer = make_composer(make_split(3), spec, 64)

    first, second = (composer.compose(1, np.random.default_rng(3)) for _ in range(2))

    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])


def test_settings_of_nothing_draw_no_chance() -> None:
    """Without lookalikes a patch is what it was before there were any."""
    rng = np.random.default_rng(0)
    image, label = _patch()

    LookalikePainter(NOTHING, 0).add(image, label, rng)

    assert rng.random() == np.random.default_rng(0).random()


def test_compressed_patch_keeps_its_colours() -> None:
    """JPEG changes single pixels, not which channel is which."""
    image, _ = _patch()
    spec = dataclasses.replace(NOTHING, jpeg=1.0)

    compressed = vary_colour(image, np.random.default_rng(0), spec)

    assert not np.array_equal(compressed, image)
    assert np.abs(compressed.mean(axis=(0, 1)) - image.mean(axis=(0, 1))).max() < 3
