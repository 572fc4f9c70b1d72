"""Names in plain tables: letters of East Asia take two columns of a terminal, accents none."""

from collections.abc import Iterable

from rich.cells import cell_len, set_cell_size

MOST_OF_A_CLASS = 40
"""Columns that the name of a class takes at most; names in files are whole."""


def widest(names: Iterable[str]) -> int:
    """Return the columns that the widest of some names takes; 0 if there is none."""
    return max(map(cell_len, names), default=0)


def padded(name: str, width: int) -> str:
    """Return a name with spaces up to a width in columns."""
    return name + " " * (width - cell_len(name))


def shortened(name: str) -> str:
    """Return the name of a class for a table, with dots where it is cut."""
    if cell_len(name) <= MOST_OF_A_CLASS:
        return name
    return f"{set_cell_size(name, MOST_OF_A_CLASS - 1).rstrip()}…"
