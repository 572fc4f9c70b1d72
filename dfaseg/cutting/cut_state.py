"""How far the cutting of a slide is, and what became of each tile."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Fate = Literal["written", "unreadable", "unlabelled"]


@dataclass(frozen=True, slots=True)
class CutTile:
    """What became of a tile, and how many of its pixels have each class where there are labels."""

    row: int
    col: int
    fate: Fate
    class_pixels: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class CutState:
    """How far the cutting of a slide is.

    Attributes:
        next_row: First row of tiles that is not done.
        tiles: Those that are, in grid order.
        unreadable: Reason for each native tile (column, row) that could not be decoded.
    """

    next_row: int = 0
    tiles: tuple[CutTile, ...] = ()
    unreadable: Mapping[tuple[int, int], str] = field(default_factory=dict)

    def to_record(self) -> dict[str, Any]:
        """Return plain values that ``from_record`` reads back."""
        return {
            "next_row": self.next_row,
            "tiles": [[t.row, t.col, t.fate, list(t.class_pixels)] for t in self.tiles],
            "unreadable": [[*place, reason] for place, reason in sorted(self.unreadable.items())],
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "CutState":
        """Build the state that a stopped run has saved."""
        tiles = (CutTile(row, col, fate, tuple(px)) for row, col, fate, px in record["tiles"])
        unreadable = {(col, row): reason for col, row, reason in record["unreadable"]}
        return cls(record["next_row"], tuple(tiles), unreadable)
