"""Native tiles that could not be decoded, and the mask pixels that they leave without a class."""

from collections.abc import Mapping

from dfaseg.geometry import Rect
from dfaseg.slide.slide import Level
from dfaseg.tiler.plan import ReadPlan
from dfaseg.wording import counted

Reasons = Mapping[tuple[int, int], str]
"""Why each native tile ``(column, row)`` could not be decoded."""


def unreadable_words(count: int) -> str:
    """Say to people how many native tiles could not be decoded."""
    return f"{counted(count, 'tile')} could not be decoded"


class UnreadableTiles:
    """Collects tiles as they fail, strip by strip.

    Args:
        plan: How the slide is read.
        level: The level that is read.
        known: Tiles that an earlier part of the run could not decode. They may reach into rows
            that are not finished, and nobody need ask for them again.
    """

    def __init__(self, plan: ReadPlan, level: Level, known: Reasons) -> None:
        self._plan = plan
        self._level = level
        self._reasons: dict[tuple[int, int], str] = {}
        self._rects: list[Rect] = []
        self._first_rect = 0
        self.note(known)

    @property
    def reasons(self) -> dict[tuple[int, int], str]:
        """Reason for each native tile ``(column, row)`` that could not be decoded so far."""
        return dict(self._reasons)

    def __contains__(self, place: tuple[int, int]) -> bool:
        """Tell whether a native tile ``(column, row)`` is known to be unreadable."""
        return place in self._reasons

    def note(self, tiles: Reasons) -> None:
        """Add tiles; those that are known already stay as they are.

        Threads may add tiles side by side as long as none adds another's.
        """
        for (col, row), reason in tiles.items():
            if (col, row) not in self._reasons:
                self._reasons[col, row] = reason
                self._rects.append(self._plan.mask_rect_of(self._level.tile_rect(col, row)))

    def below(self, y: int) -> tuple[Rect, ...]:
        """Return the mask pixels of tiles that reach below a row, which only grows."""
        # Tiles fail strip by strip, so those that end above the row are the first ones.
        while self._first_rect < len(self._rects) and self._rects[self._first_rect].bottom <= y:
            self._first_rect += 1
        return tuple(self._rects[self._first_rect :])
