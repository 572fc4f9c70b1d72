"""Columns line up whatever alphabet the names are in."""

import pytest
from rich.cells import cell_len

from dfaseg.cli.columns import MOST_OF_A_CLASS, padded, shortened, widest


@pytest.mark.parametrize(
    "name", ["stroma", "腫瘍細胞", "종양", "e\u0301pithe\u0301lium", "Gefäß", ""]
)
def test_name_is_padded_by_what_a_terminal_shows(name: str) -> None:
    """Letters of East Asia take two columns, combining accents none."""
    width = widest([name, "analysed"])

    assert width == 8 or cell_len(name) == width
    assert cell_len(padded(name, width)) == width


def test_no_names_need_no_room() -> None:
    """A folder may have no slide."""
    assert widest([]) == 0


@pytest.mark.parametrize("name", ["x" * 300, "腫瘍細胞" * 75, "e\u0301" * 300])
def test_name_that_would_break_the_table_is_cut(name: str) -> None:
    """No letter is halved, and the dots say that there is more."""
    short = shortened(name)

    assert short.endswith("…")
    assert name.startswith(short[:-1])
    assert MOST_OF_A_CLASS - 1 <= cell_len(short) <= MOST_OF_A_CLASS


def test_name_that_fits_is_whole() -> None:
    """To the last column."""
    name = "腫" * (MOST_OF_A_CLASS // 2)

    assert shortened(name) == name
