"""Background tissue: found where it is, stretched, and labelled as nothing else."""

import numpy as np

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.datasets.dataset import Example, LabelledImage
from dfaseg.datasets.load import Split, load_split
from dfaseg.training.augment import PatchComposer
from dfaseg.training.background import SIDE_PX, find_background
from dfaseg.training.spec import AugmentSpec
from tests.labelled import make_composer

STROMA, GLAND, GLASS = (200, 60, 120), (90, 40, 160), (240, 240, 240)
FIBRES_ONLY = AugmentSpec(
    mosaic=0, glass=0, fibres=1, stain=0, brightness=0, contrast=0, blur=0, noise=0
)


def _split() -> Split:
    """Return an image of stroma left, a gland in the middle, glass right; and one of glass."""
    image = np.full((100, 240, 3), STROMA, np.uint8)
    label = np.zeros((100, 240), np.uint8)
    image[:, 80:160], label[:, 80:160] = GLAND, 1
    image[:, 160:] = GLASS
    empty = LabelledImage(np.full((100, 100, 3), GLASS, np.uint8), np.zeros((100, 100), np.uint8))
    pairs = (LabelledImage(image, label), empty)
    return load_split(
        [Example(f"image-{n}", "case", lambda pair=pair: pair) for n, pair in enumerate(pairs)]
    )


def test_squares_lie_on_background_tissue() -> None:
    """Neither glands nor glass are taken for it, and no square leaves its image."""
    corners = find_background(_split(), 0).corners

    assert len(corners) > 10
    assert set(corners[:, 0]) == {0}
    assert corners[:, 1].max() + SIDE_PX <= 80 + 0.1 * SIDE_PX
    assert corners[:, 2].max() + SIDE_PX <= 100


def test_patch_of_fibres_shows_tissue_and_background_only() -> None:
    """Every pixel is labelled background or, where a gland reached in, ignored."""
    squares = find_background(_split(), 0)

    for seed in range(10):
        image, label = squares.draw(120, 70, np.random.default_rng(seed))

        assert image.shape == (70, 120, 3)
        assert label.shape == (70, 120)
        assert set(np.unique(label)) <= {0, IGNORE_INDEX}
        # Next to a border the colours are blended between both sides of it.
        far = label == 0
        assert np.abs(image[far].astype(int) - STROMA).sum(axis=-1).mean() < 25


def test_composer_makes_as_many_fibres_as_asked() -> None:
    """With every patch to be made of fibres no gland is left; the source stays as it is."""
    split = _split()
    before = [image.copy() for image in split.images]
    composer = make_composer(split, FIBRES_ONLY, 64)

    labels = [composer.compose(0, np.random.default_rng(seed))[1] for seed in range(6)]

    assert not any((label == 1).any() for label in labels)
    assert all(np.array_equal(a, b) for a, b in zip(before, split.images, strict=True))


def test_split_without_background_is_cut_as_ever() -> None:
    """Where no square is found, patches are cut from their places."""
    glass = np.full((100, 100, 3), GLASS, np.uint8)
    pair = LabelledImage(glass, np.ones((100, 100), np.uint8))
    split = load_split([Example("image", "case", lambda: pair)])
    composer: PatchComposer = make_composer(split, FIBRES_ONLY, 64)

    _, label = composer.compose(0, np.random.default_rng(0))

    assert (label == 1).all()
