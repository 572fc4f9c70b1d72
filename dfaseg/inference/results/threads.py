"""Results made side by side, a thread for each."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfaseg.inference.results.host import Findings, Makers
from dfaseg.inference.state import SavedState, State, joined, part_of
from dfaseg.inference.worker import Worker

ROWS_AHEAD = 2
"""Mask rows of a release, at most some 8 MB, that wait for each result."""


class ThreadedResults:
    """A ``ResultHost`` that hands every row to every result, all in order.

    So results do not depend on which thread is ahead.

    Args:
        makers: What makes each result; they must not change the rows.
    """

    def __init__(self, makers: Makers) -> None:
        self._consumers = {name: make() for name, make in makers.items()}
        self._workers = {name: Worker(name, ROWS_AHEAD) for name in makers}
        self._found: dict[str, Any] = {}

    def begin(self) -> None:
        """Start all results anew, each in its thread; see ``ResultHost``."""
        for name, consumer in self._consumers.items():
            self._workers[name].submit(consumer.begin)

    def write_rows(self, mask_rows: NDArray[np.uint8]) -> None:
        """Hand the next rows to each result; see ``ResultHost``."""
        for name, consumer in self._consumers.items():
            self._workers[name].submit(consumer.write_rows, mask_rows)

    def finish(self) -> Findings:
        """Complete all results; see ``ResultHost``."""
        for name in self._consumers:
            self._workers[name].submit(self._finish, name)
        self._drain()
        return Findings(self._found)

    def state(self) -> State:
        """Return what a later run needs to go on; see ``ResultHost``."""
        self._drain()
        return joined({name: consumer.state() for name, consumer in self._consumers.items()})

    def restore(self, state: SavedState) -> None:
        """Go on from an earlier state; see ``ResultHost``."""
        for name, consumer in self._consumers.items():
            consumer.restore(part_of(state, name))

    def close(self) -> None:
        """End the threads and let go of open files; see ``ResultHost``."""
        for worker in self._workers.values():
            worker.close()
        for consumer in self._consumers.values():
            consumer.close()

    def _finish(self, name: str) -> None:
        self._found[name] = self._consumers[name].finish()

    def _drain(self) -> None:
        for worker in self._workers.values():
            worker.drain()
