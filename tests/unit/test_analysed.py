"""Glass beside and between tissue is found by column."""

import numpy as np
import pytest

from dfaseg.analysed import analysed_pieces


@pytest.mark.parametrize(
    ("columns", "pieces"),
    [
        ([], []),
        ([0], [(0, 1)]),
        ([299], [(299, 300)]),
        ([3, 10, 67], [(3, 68)]),
        ([3, 68, 140], [(3, 4), (68, 69), (140, 141)]),
        (range(300), [(0, 300)]),
    ],
    ids=["glass", "first", "last", "narrow gaps", "wide gaps", "tissue"],
)
def test_pieces_hold_all_analysed_columns(
    columns: list[int], pieces: list[tuple[int, int]]
) -> None:
    """Wide gaps part pieces, narrow ones do not."""
    rows = np.full((4, 300), 255, np.uint8)
    for number, column in enumerate(columns):
        rows[number % 4, column] = 0

    assert list(analysed_pieces(rows)) == pieces


def test_all_rows_count() -> None:
    """A column is glass only if it is so in every array of rows."""
    above, below = np.full((1, 9), 255, np.uint8), np.full((2, 9), 255, np.uint8)
    above[0, 2], below[1, 7] = 1, 3

    assert list(analysed_pieces(above, below)) == [(2, 8)]


def test_no_rows_have_no_pieces() -> None:
    """The coarse levels of a pyramid often get no row."""
    assert list(analysed_pieces(np.empty((0, 9), np.uint8))) == []
