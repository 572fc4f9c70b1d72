"""Augmentation: image and label move together, and chance is repeatable."""

import dataclasses

import numpy as np
import pytest

from dfaseg.datasets.load import Split
from dfaseg.datasets.places import Place
from dfaseg.geometry import Rect
from dfaseg.training.augment import PatchComposer, draw_placement
from dfaseg.training.colour import vary_colour
from dfaseg.training.spec import AugmentSpec
from tests.labelled import COLOURS, make_composer, make_split

STILL = AugmentSpec(
    scale=(1.0, 1.0), mosaic=0, glass=0, stain=0, brightness=0, contrast=0, blur=0, noise=0
)


def _composer(spec: AugmentSpec, side_px: int = 64) -> PatchComposer:
    return make_composer(make_split(6), spec, side_px)


@pytest.mark.parametrize("mosaic", [0.0, 1.0], ids=["single", "mosaic"])
@pytest.mark.parametrize("seed", range(4))
def test_label_follows_the_image(mosaic: float, seed: int) -> None:
    """After flip, turn and composition each labelled pixel still has its class's colour."""
    composer = _composer(dataclasses.replace(STILL, mosaic=mosaic))

    image, label = composer.compose(seed, np.random.default_rng(seed))

    nearest = np.abs(image[:, :, None].astype(int) - COLOURS.astype(int)).sum(-1).argmin(-1)
    labelled = label != 255
    agreement = (nearest[labelled] == label[labelled]).mean()
    # A cut at a fraction of a pixel blends the colours along the rectangles' borders.
    assert agreement > (0.93 if mosaic else 0.9999)


def test_same_random_numbers_give_the_same_patch() -> None:
    """A patch depends on its index and its random numbers only."""
    composer = _composer(AugmentSpec())

    first = composer.compose(2, np.random.default_rng(5))
    second = composer.compose(2, np.random.default_rng(5))
    other = composer.compose(2, np.random.default_rng(6))

    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])
    assert not np.array_equal(first[0], other[0])


def test_sources_are_not_changed() -> None:
    """Composing a patch leaves the images in memory as they are."""
    split = make_split(2)
    before = [image.copy() for image in split.images]
    spec = dataclasses.replace(AugmentSpec(), glass=1.0)
    composer = make_composer(split, spec, 64)

    for seed in range(5):
        composer.compose(0, np.random.default_rng(seed))

    assert all(np.array_equal(a, b) for a, b in zip(before, split.images, strict=True))


def test_glass_is_near_white_and_labelled_background() -> None:
    """Where glass was laid, the patch is bright and its label is the class of glass."""
    composer = _composer(dataclasses.replace(STILL, glass=1.0))
    still = _composer(STILL)
    changed_pixels = 0

    for seed in range(8):
        image, label = composer.compose(1, np.random.default_rng(seed))
        original, _ = still.compose(1, np.random.default_rng(seed))
        changed = np.any(image != original, axis=-1)
        changed_pixels += int(changed.sum())
        assert np.all(label[changed] == 0)
        assert image[changed].size == 0 or image[changed].min() > 190

    assert changed_pixels > 0


@pytest.mark.parametrize("seed", range(20))
def test_patch_lies_inside_the_image_where_it_fits(seed: int) -> None:
    """An enlarged patch shows no mirrored border."""
    rng = np.random.default_rng(seed)

    spec = dataclasses.replace(STILL, scale=(1.0, 1.4))
    to_source = draw_placement((100, 80), Rect(0, 0, 100, 80), (60, 40), rng, spec)

    corners = np.array([[0, 0, 1], [59, 0, 1], [0, 39, 1], [59, 39, 1]]) @ to_source.T
    if abs(to_source[0, 0]) > 0:
        assert corners.min() >= -1e-9
        assert np.all(corners.max(axis=0) <= np.array([99, 79]) + 1e-9)


def test_no_strength_leaves_colours_alone() -> None:
    """With every strength at zero the colours come back within rounding."""
    image = make_split(1).images[0]

    varied = vary_colour(image, np.random.default_rng(0), STILL)

    assert np.abs(varied.astype(int) - image.astype(int)).max() <= 1


def test_pure_white_stays_white_under_stain_changes() -> None:
    """Stain, saturation and contrast act on what absorbs light; empty glass does not."""
    white = np.full((8, 8, 3), 255, np.uint8)
    spec = dataclasses.replace(STILL, stain=0.5, contrast=0.5)

    varied = vary_colour(white, np.random.default_rng(0), spec)

    assert varied.min() == 255


@pytest.mark.parametrize("seed", range(8))
def test_patch_is_cut_around_its_place(seed: int) -> None:
    """In a large image the centre lies in the place, or as near as the border allows."""
    rng = np.random.default_rng(seed)
    place = Rect(200, 0, 40, 40)

    to_source = draw_placement((400, 300), place, (60, 60), rng, STILL)

    x, y = to_source @ np.array([29.5, 29.5, 1])
    assert 199.5 <= x <= 239.5
    assert 29.5 <= y <= 39.5


@pytest.mark.parametrize("seed", range(6))
def test_large_image_is_read_only_where_it_is_cut(seed: int) -> None:
    """A cut from the middle of an image equals the same cut from a crop of it."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (300, 400, 3), np.uint8)
    label = rng.integers(0, 3, (300, 400), np.uint8)
    place = Rect(150, 100, 80, 80)
    inner = Rect(100, 50, 200, 200)
    spec = dataclasses.replace(STILL, scale=(0.8, 1.25))

    whole, part = (
        PatchComposer(
            Split(("a",), ("a",), (pixels,), (truth,)),
            (Place(0, around),),
            np.ones(1),
            spec,
            side_px=48,
            glass_index=None,
        ).compose(0, np.random.default_rng(seed))
        for pixels, truth, around in (
            (image, label, place),
            (image[inner.slices], label[inner.slices], place.shifted(-inner.x, -inner.y)),
        )
    )

    assert np.array_equal(whole[0], part[0])
    assert np.array_equal(whole[1], part[1])
