"""A result that fails when it is told to; it loads nothing that would slow another process down."""

import numpy as np
from numpy.typing import NDArray

from dfaseg.errors import OutputError
from dfaseg.inference.state import SavedState, State


class Fragile:
    """A result that keeps sums of its rows, and fails at one of them."""

    def __init__(self, fails_at: int = -1, error: Exception | None = None) -> None:
        self._sums: list[int] = []
        self._fails_at, self._error = fails_at, error

    def begin(self) -> None:
        """Nothing to prepare."""

    def write_rows(self, mask_rows: NDArray[np.uint8]) -> None:
        """Note the sum of each row."""
        for row in mask_rows:
            if len(self._sums) == self._fails_at:
                raise self._error or OutputError("disk full")
            self._sums.append(int(row.sum()))

    def finish(self) -> list[int]:
        """Return the sums."""
        return self._sums

    def state(self) -> State:
        """Return the sums."""
        return {"sums": np.array(self._sums)}

    def restore(self, state: SavedState) -> None:
        """Take them back."""
        self._sums = state["sums"].tolist()

    def close(self) -> None:
        """Nothing to let go of."""


class OddError(Exception):
    """An error that cannot be made again from its text."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first + second)


def raises_odd_error() -> Fragile:
    """Return one that fails at its first row."""
    return Fragile(0, OddError("a", "b"))
