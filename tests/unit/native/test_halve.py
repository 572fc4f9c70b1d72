"""Class indices at half their resolution: the commonest of four, the first of several."""

import numpy as np
import pytest

from dfaseg.native.halve import halve_mode


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ([[1, 1], [1, 1]], 1),
        ([[1, 2], [2, 2]], 2),
        ([[1, 2], [2, 3]], 2),
        ([[1, 2], [3, 3]], 3),
        ([[1, 2], [2, 1]], 1),
        ([[1, 1], [2, 2]], 1),
        ([[1, 2], [3, 4]], 1),
        ([[255, 255], [1, 1]], 255),
        ([[255, 1], [1, 2]], 1),
    ],
    ids=[
        "all alike",
        "three of four",
        "diagonal pair",
        "lower pair",
        "tie of diagonals",
        "tie of rows",
        "all different",
        "tie with 255",
        "pair beats 255",
    ],
)
def test_commonest_class_wins(block: list[list[int]], expected: int) -> None:
    """Of several commonest values the first in reading order is taken."""
    assert halve_mode(np.array(block, np.uint8)).tolist() == [[expected]]


def test_odd_last_column_counts_twice() -> None:
    """An edge without partner keeps its own class."""
    assert halve_mode(np.array([[1, 1, 2], [1, 1, 3]], np.uint8)).tolist() == [[1, 2]]


def test_rows_may_lie_apart() -> None:
    """A part of a mask is halved where it is."""
    mask = np.random.default_rng(0).integers(0, 4, (6, 300), dtype=np.uint8)

    np.testing.assert_array_equal(halve_mode(mask[:4, 3:202]), halve_mode(mask[:4, 3:202].copy()))


def test_no_rows_are_no_rows() -> None:
    """A level that gets nothing this time gives nothing on."""
    assert halve_mode(np.empty((0, 7), np.uint8)).shape == (0, 4)


@pytest.mark.parametrize(
    "rows",
    [np.zeros((3, 4), np.uint8), np.zeros((2, 4), np.int16), np.zeros((2, 8), np.uint8)[:, ::2]],
    ids=["odd", "wide numbers", "gaps"],
)
def test_other_memory_is_refused(rows: np.ndarray) -> None:
    """C would read what is not there."""
    with pytest.raises(ValueError, match="cannot be halved"):
        halve_mode(rows)
