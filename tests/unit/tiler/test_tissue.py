"""The tissue detector: finds stained tissue, and is not fooled."""

import cv2
import numpy as np
import pytest

from dfaseg.geometry import TileGrid
from dfaseg.tiler.tissue import TissueMask, find_tissue, otsu_threshold

MPP = 8.0
GLASS = 243


def glass(height=400, width=500, seed=0):
    """Empty glass with the noise of a camera."""
    noise = np.random.default_rng(seed).integers(-3, 4, (height, width, 3))
    return (GLASS + noise).clip(0, 255).astype(np.uint8)


def with_tissue(picture, colour=(205, 120, 175), centre=(250, 200), radius=90):
    """Draw a stained disc with some texture."""
    stain = np.zeros_like(picture)
    cv2.circle(stain, centre, radius, colour, -1)
    inside = stain.any(axis=2)
    noise = np.random.default_rng(1).integers(-20, 21, picture.shape)
    picture[inside] = (stain + noise).clip(0, 255).astype(np.uint8)[inside]
    return picture, inside


@pytest.mark.parametrize(
    "colour",
    [(205, 120, 175), (150, 90, 160), (230, 170, 205), (150, 110, 70)],
    ids=["eosin", "haematoxylin", "pale", "DAB"],
)
def test_stained_tissue_is_found(colour):
    """Tissue is found with a rim of at most about 50 µm."""
    picture, inside = with_tissue(glass(), colour)

    tissue = find_tissue(picture, MPP, 1)

    grown = cv2.dilate(inside.astype(np.uint8), np.ones((15, 15), np.uint8)).astype(bool)
    assert tissue.mask[inside].mean() > 0.999
    assert not tissue.mask[~grown].any()
    assert tissue.note == ""


@pytest.mark.parametrize(
    "ink",
    [(30, 60, 200), (20, 140, 60), (20, 20, 20), (220, 30, 40)],
    ids=["blue", "green", "black", "red"],
)
def test_pen_strokes_are_not_tissue(ink):
    """Marker ink on the glass is left out."""
    picture = glass()
    cv2.line(picture, (40, 50), (450, 90), ink, 14)
    picture, inside = with_tissue(picture, centre=(250, 280), radius=60)

    tissue = find_tissue(picture, MPP, 1)

    assert not tissue.mask[:130].any()
    assert tissue.mask[inside].mean() > 0.99


def test_black_border_is_not_tissue():
    """Unscanned black strips do not count, and do not push the threshold."""
    picture, inside = with_tissue(glass())
    picture[:40] = 0
    picture[:, -50:] = 8

    tissue = find_tissue(picture, MPP, 1)

    assert not tissue.mask[:40].any()
    assert not tissue.mask[:, -50:].any()
    assert tissue.mask[inside].mean() > 0.99


def test_fluorescence_is_not_tissue():
    """A slide that is mostly black is told from a brightfield slide."""
    picture = np.zeros((300, 300, 3), np.uint8)
    cv2.circle(picture, (150, 150), 60, (20, 30, 220), -1)

    tissue = find_tissue(picture, MPP, 1)

    assert tissue.is_empty
    assert "fluorescence" in tissue.note


@pytest.mark.parametrize("seed", range(3))
def test_empty_glass_has_no_tissue(seed):
    """Noise, dust and a slight tint are not tissue."""
    picture = glass(seed=seed)
    picture[..., 2] -= 6
    cv2.circle(picture, (100, 100), 2, (120, 90, 110), -1)

    tissue = find_tissue(picture, MPP, 1)

    assert tissue.is_empty
    assert "no stained tissue" in tissue.note


def test_field_full_of_tissue_is_taken_whole():
    """Without any glass, the threshold does not split the tissue."""
    rng = np.random.default_rng(0)
    picture = rng.choice([(200, 120, 170), (140, 80, 150), (225, 165, 200)], (300, 300))

    tissue = find_tissue(picture.astype(np.uint8), MPP, 1)

    assert tissue.mask.mean() > 0.99


def test_small_holes_belong_to_the_tissue():
    """A lumen is analysed together with its gland."""
    picture, _ = with_tissue(glass())
    cv2.circle(picture, (250, 200), 15, (GLASS,) * 3, -1)

    tissue = find_tissue(picture, MPP, 1)

    assert tissue.mask[200, 250]


def test_glass_at_the_border_of_a_small_picture_is_no_hole():
    """Glass beside tissue stays out, though the whole picture is smaller than a lumen may be."""
    picture = glass(200, 240)
    picture[40:160, 100:200] = (205, 120, 175)

    tissue = find_tissue(picture, 1.0, 1)

    assert tissue.mask[40:160, 100:200].all()
    assert not tissue.mask[:, :60].any()


def test_real_slides(real_data):
    """H&E of two scanners is found, DAPI on black is not."""
    openslide = pytest.importorskip("openslide")
    shares = {}
    for name in ("CMU-1-Small-Region.svs", "fluorescence-DAPI.ndpi"):
        with openslide.OpenSlide(real_data / "slides" / name) as slide:
            thumbnail = np.asarray(slide.get_thumbnail((800, 800)).convert("RGB"))
            mpp = float(slide.properties["openslide.mpp-x"]) * slide.dimensions[0]
        tissue = find_tissue(thumbnail, mpp / thumbnail.shape[1], 1)
        shares[name] = tissue.mask.mean()

    assert 0.35 < shares["CMU-1-Small-Region.svs"] < 0.6
    assert shares["fluorescence-DAPI.ndpi"] == 0


def test_tiles_with_any_tissue_are_selected():
    """One pixel of tissue is enough for a tile."""
    mask = np.zeros((8, 8), bool)
    mask[3, 5] = True
    grid = TileGrid(64, 60, 16, 0)

    selected = TissueMask(mask, 8).select_tiles(grid)

    assert np.argwhere(selected).tolist() == [[1, 2]]


def test_rows_repeat_the_coarse_pixels():
    """The mask at full resolution is the coarse one, enlarged and cut to width."""
    mask = np.array([[True, False], [False, True]])

    rows = TissueMask(mask, 3).rows(2, 2, 5)

    assert rows.astype(int).tolist() == [[1, 1, 1, 0, 0], [0, 0, 0, 1, 1]]


def test_piece_and_hole_sizes_are_counted_along_edges():
    """Pixels that touch at corners only are pieces of their own, and gaps are parted likewise."""
    picture = glass()
    picture[100:120, 100:120] = picture[120:140, 120:140] = (205, 120, 175)

    assert not find_tissue(picture, 3.0, 1).mask.any()  # 2 × 3600 µm², below 10 000 each
    assert find_tissue(picture, 6.0, 1).mask.any()


def test_threshold_parts_values_where_their_variance_is_largest():
    """As Otsu's method does by its definition, tried at every value."""
    values = np.random.default_rng(0).normal([[20], [90]], [[6], [15]], (2, 300)).clip(0, 255)
    values = values.astype(np.uint8).ravel()

    def variance(threshold):
        low, high = values[values <= threshold], values[values > threshold]
        return len(low) * len(high) * (low.mean() - high.mean()) ** 2

    candidates = np.unique(values)[:-1]
    assert otsu_threshold(values) == max(candidates, key=variance)
