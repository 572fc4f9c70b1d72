"""Coarser levels: the commonest class of four pixels, streamed row by row."""

import numpy as np
import pytest

from dfaseg.stitcher.pyramid import PyramidRows, level_shapes


def test_level_sizes_are_rounded_up() -> None:
    """No pixel of a level is lost on the next."""
    assert level_shapes(9, 6, 4) == [(9, 6), (5, 3), (3, 2), (2, 1)]


@pytest.mark.parametrize("portion", [1, 2, 3, 11])
def test_rows_of_all_levels_come_out_complete(portion: int) -> None:
    """Levels made from portions equal levels made at once."""
    mask = np.random.default_rng(0).integers(0, 3, (11, 7), dtype=np.uint8)
    whole = PyramidRows(11, 7, 4).add(mask)
    pyramid = PyramidRows(11, 7, 4)

    portions = [pyramid.add(mask[top : top + portion]) for top in range(0, 11, portion)]

    for level, shape in enumerate(level_shapes(11, 7, 4)):
        rows = np.concatenate([finished[level] for finished in portions])
        assert rows.shape == shape
        np.testing.assert_array_equal(rows, whole[level])


def test_restored_pyramid_goes_on() -> None:
    """The odd row of every level survives a cut."""
    mask = np.random.default_rng(1).integers(0, 3, (13, 5), dtype=np.uint8)
    first, second = PyramidRows(13, 5, 3), PyramidRows(13, 5, 3)
    before = first.add(mask[:7])

    second.restore(first.state())
    after = second.add(mask[7:])

    for level, rows in enumerate(PyramidRows(13, 5, 3).add(mask)):
        np.testing.assert_array_equal(np.concatenate([before[level], after[level]]), rows)


@pytest.mark.parametrize("shape", [(9, 4), (2, 5)], ids=["too many", "too wide"])
def test_rows_of_another_mask_are_refused(shape: tuple[int, int]) -> None:
    """A caller that counts wrongly hears of it."""
    with pytest.raises(ValueError, match="the mask has 4 × 8 px"):
        PyramidRows(8, 4, 2).add(np.zeros(shape, np.uint8))
