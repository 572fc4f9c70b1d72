"""A data set at another resolution keeps its classes and its proportions."""

import numpy as np
import pytest

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.datasets.dataset import LabelledImage
from dfaseg.datasets.resample import at_mpp, resample
from dfaseg.errors import ConfigError, DatasetError
from tests.labelled import make_dataset

CODES = np.array([0, 1, 2, IGNORE_INDEX], np.uint8)


def _noise(width: int, height: int) -> LabelledImage:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    return LabelledImage(image, CODES[rng.integers(0, 4, (height, width))])


def test_image_is_averaged_over_exact_areas() -> None:
    """A third of the resolution is the mean of 3 × 3 pixels."""
    pixels = _noise(12, 9)

    image = resample(pixels, 1 / 3).image

    blocks = pixels.image.reshape(3, 3, 4, 3, 3).astype(float)
    assert np.abs(image - blocks.mean(axis=(1, 3))).max() <= 0.5


def test_label_is_what_covers_most() -> None:
    """Ignore counts as any other index; of equals, the lowest wins."""
    pixels = _noise(40, 30)

    label = resample(pixels, 0.1).label

    blocks = pixels.label.reshape(3, 10, 4, 10).transpose(0, 2, 1, 3).reshape(12, 100)
    counts = (blocks[..., np.newaxis] == CODES).sum(axis=1)
    assert np.array_equal(label.ravel(), CODES[counts.argmax(axis=1)])


def test_label_never_holds_what_was_not_there() -> None:
    """An odd factor makes no class between two others."""
    label = np.array([[0, 2, 2, 0, IGNORE_INDEX]] * 5, np.uint8)
    pixels = LabelledImage(np.zeros((5, 5, 3), np.uint8), label)

    for factor in (0.37, 0.8, 1.7):
        assert set(np.unique(resample(pixels, factor).label)) <= {0, 2, IGNORE_INDEX}


def test_enlarged_label_repeats_pixels() -> None:
    """Twice the resolution shows every label pixel four times."""
    pixels = _noise(5, 4)

    larger = resample(pixels, 2.0)

    assert larger.image.shape == (8, 10, 3)
    assert np.array_equal(larger.label, pixels.label.repeat(2, axis=0).repeat(2, axis=1))


def test_data_set_says_what_was_done() -> None:
    """Resolution and its note change; names and cases stay."""
    data = make_dataset()

    coarse = at_mpp(data, 2.0)

    assert coarse.info.mpp == 2.0
    assert coarse.info.mpp_note == "resampled from 1 µm per pixel; invented"
    assert coarse.train[0].name == data.train[0].name
    assert coarse.val[0].read().label.shape == (32, 32)


def test_same_resolution_is_left_alone() -> None:
    """Nothing is resampled for nothing."""
    data = make_dataset()

    assert at_mpp(data, 1.0) is data


@pytest.mark.parametrize("mpp", [0.0, -1.0, float("nan")])
def test_impossible_resolution_is_refused(mpp: float) -> None:
    """A pixel has a size."""
    with pytest.raises(ConfigError, match="must be above 0"):
        at_mpp(make_dataset(), mpp)


def test_resolution_that_no_memory_holds_is_refused() -> None:
    """A slip in the unit, such as metres for micrometres, is said of the first image."""
    example = at_mpp(make_dataset(), 1e-6).train[0]

    with pytest.raises(DatasetError, match=r"'image-0': 64 × 64 px would become 6\.4e\+07 × 6\.4"):
        example.read()


def test_resolution_that_leaves_nothing_is_refused() -> None:
    """Runs learned from images of one pixel each, and ended well."""
    example = at_mpp(make_dataset(), 100.0).train[0]

    with pytest.raises(DatasetError, match="'image-0': less than one pixel is left of its 64 × 64"):
        example.read()
