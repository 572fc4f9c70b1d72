"""Blend weights: positive, symmetric, and with the share each mode promises."""

import numpy as np
import pytest

from dfaseg.errors import ConfigError
from dfaseg.stitcher.blend import BlendMode, blend_weights

MODES: list[BlendMode] = ["gaussian", "uniform", "none"]


def shares(mode: BlendMode, patch: int, overlap: int) -> np.ndarray:
    """Return each of nine tiles' share of a row of cells, shape (9, cells)."""
    step = patch - overlap
    profile = blend_weights(mode, patch, overlap)[patch // 2]
    rows = np.zeros((9, patch + 8 * step))
    for index, row in enumerate(rows):
        row[index * step : index * step + patch] = profile
    return rows / rows.sum(axis=0)


@pytest.mark.parametrize("mode", MODES)
def test_weights_are_positive_and_of_the_patch_size(mode: BlendMode) -> None:
    """Every cell of a tile counts, so that a tile without neighbours is whole."""
    weights = blend_weights(mode, 32, 9)

    assert weights.shape == (32, 32)
    assert weights.dtype == np.float32
    assert weights.min() > 0


@pytest.mark.parametrize("mode", MODES)
def test_without_overlap_all_cells_count_alike(mode: BlendMode) -> None:
    """Where tiles only touch there is nothing to blend."""
    assert np.all(blend_weights(mode, 16, 0) == 1)


def test_gaussian_weights_are_symmetric() -> None:
    """No direction is preferred."""
    weights = blend_weights("gaussian", 31, 12)

    np.testing.assert_array_equal(weights, weights[::-1])
    np.testing.assert_array_equal(weights, weights.T)


@pytest.mark.parametrize("overlap", [4, 16, 24], ids=["narrow", "half", "wide"])
def test_gaussian_tiles_fade_in_without_a_seam(overlap: int) -> None:
    """A tile's share of the result starts below 4 % at its edge and grows in small steps."""
    middle = shares("gaussian", 32, overlap)[4]
    first = np.flatnonzero(middle)[0]

    assert middle[first] < 0.04
    assert np.abs(np.diff(middle)).max() < 2.4 / overlap


def test_uniform_tiles_share_equally() -> None:
    """Two tiles that overlap have one half each."""
    assert set(shares("uniform", 16, 6)[4]) == {0.0, 0.5, 1.0}


@pytest.mark.parametrize("overlap", [6, 7, 12], ids=["even", "odd", "more than half"])
def test_none_gives_each_cell_to_one_tile(overlap: int) -> None:
    """All but one tile have no share that float32 could show."""
    patch = 16
    rows = shares("none", patch, overlap)
    inner = rows[:, overlap // 2 : -(overlap - overlap // 2)]

    assert np.all(inner.max(axis=0) > 1 - 1e-12)


@pytest.mark.parametrize(
    ("mode", "patch", "overlap"),
    [("median", 8, 2), ("gaussian", 8, 8), ("gaussian", 8, -1)],
    ids=["unknown mode", "overlap as large as the patch", "negative overlap"],
)
def test_impossible_settings_are_refused(mode: BlendMode, patch: int, overlap: int) -> None:
    """A wrong setting is named, not guessed at."""
    with pytest.raises(ConfigError):
        blend_weights(mode, patch, overlap)
