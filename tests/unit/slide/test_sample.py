"""The built-in slide: the same everywhere, and believable to a tissue detector and to an eye."""

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dfaseg.slide.sample import SAMPLE_MPP, make_sample_image, open_sample

INK_CORNER = np.s_[1660:2160, 2250:2950]
NORMAL_MUCOSA, ADENOMA, CARCINOMA = (np.s_[400:1100, x : x + 500] for x in (400, 1250, 2050))


@pytest.fixture(scope="module")
def picture() -> NDArray[np.uint8]:
    """The picture of the default seed; it takes a second or two, so it is drawn once."""
    return make_sample_image()


@pytest.fixture
def opposite_threading() -> Iterator[None]:
    """OpenCV on one thread if it uses several, and on several if it uses one."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(4 if before == 1 else 1)
    yield
    cv2.setNumThreads(before)


def optical_density(region: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the mean optical density per colour channel."""
    return np.asarray(-np.log((region.reshape(-1, 3) + 1.0) / 256).mean(axis=0))


def test_picture_is_8_bit_rgb_of_the_stated_size(picture: NDArray[np.uint8]) -> None:
    """The sample measures about 2.1 × 1.5 mm."""
    assert picture.shape == (2200, 3000, 3)
    assert picture.dtype == np.uint8
    assert SAMPLE_MPP == 0.7


@pytest.mark.usefixtures("opposite_threading")
def test_picture_does_not_depend_on_threads_or_repetition(picture: NDArray[np.uint8]) -> None:
    """One seed gives one slide, so that its fingerprint is stable."""
    np.testing.assert_array_equal(make_sample_image(), picture)


def test_glass_is_bright_and_almost_colourless(picture: NDArray[np.uint8]) -> None:
    """The rim of the slide is bare glass, without shading from corner to corner."""
    corners = [picture[y, x] for y in (np.s_[:80], np.s_[-80:]) for x in (np.s_[:80], np.s_[-80:])]
    means = np.array([corner.mean(axis=(0, 1)) for corner in corners])

    assert means.min() > 235
    assert np.ptp(means) < 6


def test_about_half_of_the_slide_is_tissue(picture: NDArray[np.uint8]) -> None:
    """There is both tissue to segment and glass to leave out."""
    small = cv2.resize(picture, None, fx=1 / 16, fy=1 / 16, interpolation=cv2.INTER_AREA)
    stained = small.min(axis=2) < 215

    assert 0.35 < stained.mean() < 0.65


def test_ink_is_blue_and_tissue_is_not(picture: NDArray[np.uint8]) -> None:
    """The pen stroke lies alone in its corner and cannot be mistaken for H&E by its hue."""
    corner = picture[INK_CORNER].reshape(-1, 3).astype(np.int16)
    ink = corner[corner[:, 0] < 120]
    tissue = picture[NORMAL_MUCOSA].reshape(-1, 3).astype(np.int16)

    assert len(ink) > 40_000
    assert (ink[:, 1] > ink[:, 0]).mean() > 0.95
    assert (tissue[:, 1] > tissue[:, 0]).mean() < 0.08


@pytest.mark.parametrize("region", [NORMAL_MUCOSA, ADENOMA, CARCINOMA], ids=["normal", "low", "ca"])
def test_stain_density_is_that_of_real_sections(
    picture: NDArray[np.uint8], region: tuple[slice, slice]
) -> None:
    """Green absorbs most and blue least; the ranges are those of colorectal biopsies."""
    red, green, blue = optical_density(picture[region])

    assert 0.4 < red < 1.1
    assert 0.8 < green < 2.0
    assert 0.25 < blue < 0.7


def test_neoplasia_is_darker_than_normal_mucosa(picture: NDArray[np.uint8]) -> None:
    """Crowded nuclei and lost mucin show at a glance."""
    normal, adenoma = (
        optical_density(picture[region]).sum() for region in (NORMAL_MUCOSA, ADENOMA)
    )

    assert adenoma > 1.1 * normal


def test_open_sample_gives_a_slide_named_sample(
    picture: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slide knows its name and resolution, and its tiles are the picture."""
    monkeypatch.setattr("dfaseg.slide.sample.make_sample_image", lambda: picture)

    slide = open_sample()

    assert slide.info.slide_id == "sample"
    by_hand = open_sample(0.5)
    assert (slide.info.mpp, slide.info.mpp_source) == (SAMPLE_MPP, "metadata")
    assert (by_hand.info.mpp, by_hand.info.mpp_source) == (0.5, "--mpp")
    assert [level.width for level in slide.info.levels] == [3000, 750]
    np.testing.assert_array_equal(slide.read_tile(0, 2, 3), picture[768:1024, 512:768])
