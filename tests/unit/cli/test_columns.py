"""Columns line up whatever alphabet the names are in."""

import pytest
from rich.cells import cell_len

from dfaseg.cli.columns import padded, widest


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
