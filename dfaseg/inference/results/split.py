"""Results made by several hosts side by side, where there are cores for them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dfaseg.inference.results.host import Findings, ResultHost
from dfaseg.inference.state import SavedState, State


class SplitResults:
    """A ``ResultHost`` that hands every row to several others.

    Their states make one, the same whoever makes which result: a run may be stopped with some hosts
    and go on with others.

    Args:
        hosts: Each makes results of its own names.
    """

    def __init__(self, hosts: Sequence[ResultHost]) -> None:
        self._hosts = tuple(hosts)

    def begin(self) -> None:
        """Start all results anew; see ``ResultHost``."""
        for host in self._hosts:
            host.begin()

    def write_rows(self, mask_rows: NDArray[np.uint8]) -> None:
        """Hand the next rows to each host; see ``ResultHost``."""
        for host in self._hosts:
            host.write_rows(mask_rows)

    def finish(self) -> Findings:
        """Complete all results; see ``ResultHost``."""
        found = [host.finish() for host in self._hosts]
        return Findings(
            {name: value for part in found for name, value in part.by_name.items()},
            cpu_seconds=sum(part.cpu_seconds for part in found),
            peak_bytes=sum(part.peak_bytes for part in found),
        )

    def state(self) -> State:
        """Return what a later run needs to go on; see ``ResultHost``."""
        return {name: value for host in self._hosts for name, value in host.state().items()}

    def restore(self, state: SavedState) -> None:
        """Go on from what ``state`` returned; see ``ResultHost``."""
        for host in self._hosts:
            host.restore(state)

    def close(self) -> None:
        """End the work; see ``ResultHost``."""
        for host in self._hosts:
            host.close()
