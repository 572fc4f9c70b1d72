"""What a run asks of whoever makes its results."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dfaseg.inference.results.consumers import RowConsumer
from dfaseg.inference.state import SavedState, State

Makers = Mapping[str, Callable[[], RowConsumer]]
"""Results by name, not made yet: functions that may be sent to another process."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What is known once all results are complete.

    Attributes:
        by_name: What each result returned.
        cpu_seconds: Taken in another process.
        peak_bytes: Largest resident size of that process.
    """

    by_name: Mapping[str, Any]
    cpu_seconds: float = 0.0
    peak_bytes: int = 0


class ResultHost(Protocol):
    """Makes results from mask rows, beside the thread that hands them on.

    ``begin`` or ``restore`` comes first. One thread at a time may call. What fails beside it is
    raised by a later call.
    """

    def begin(self) -> None:
        """Start all results anew; does not wait."""
        ...

    def write_rows(self, mask_rows: NDArray[np.uint8]) -> None:
        """Take the next rows, shape ``(n, width)``; waits while too many are under way."""
        ...

    def finish(self) -> Findings:
        """Complete all results after the last row."""
        ...

    def state(self) -> State:
        """Wait for all rows taken, and return what a later run needs to go on from here."""
        ...

    def restore(self, state: SavedState) -> None:
        """Go on from what ``state`` returned.

        Raises:
            DfasegError: What lies on disk does not fit the state.
        """
        ...

    def close(self) -> None:
        """End the work and let go of open files; what ``state`` returned still holds."""
        ...
