"""Names in plain tables: letters of East Asia take two columns of a terminal, accents none."""

from collections.abc import Iterable

from rich.cells import cell_len


def widest(names: Iterable[str]) -> int:
    """Return the columns that the widest of some names takes; 0 if there is none."""
    return max(map(cell_len, names), default=0)


def padded(name: str, width: int) -> str:
    """Return a name with spaces up to a width in columns."""
    return name + " " * (width - cell_len(name))
