"""Results made in a process of their own, told of mask rows through shared memory.

Making them is a few large operations of NumPy among very many small ones. In a thread each of
these takes Python's lock from those that feed the network (``docs/design/0020``).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfaseg.errors import OutputError
from dfaseg.inference.results.host import Findings, Makers
from dfaseg.inference.results.messages import Call, Order, Reply, Rows
from dfaseg.inference.state import SavedState, State
from dfaseg.inference.worker import Worker
from dfaseg.limits import available_cores
from dfaseg.side_pool import ProcessPool
from dfaseg.side_process import SideProcess
from dfaseg.tiler.shared_memory import SharedPixels, can_share

SLOT_BYTES = 8 * 2**20
"""Mask rows handed over at a time."""
_SLOTS = 2
_PORTIONS_AHEAD = 2
"""Messages that wait to be sent."""
_PAYS_FROM_PX = 8 * 2**20
"""Analysed mask pixels that are worth its start, half a second of a core."""
_MIN_CORES_FOR_TWO = 4
"""With fewer, two take the cores from those that decode."""


def num_processes(num_px: int, *, beside_gpu: bool) -> int:
    """Return how many processes are worth their start for the results of so many mask pixels.

    On a single core none ever is: threads that take turns there do not wait for each other's lock.
    Beside a CPU's network one keeps up. A GPU would wait for it, so there polygons, which take as
    long as all else, have one for themselves.
    """
    cores = available_cores()
    if num_px < _PAYS_FROM_PX or cores == 1 or not can_share():
        return 0
    return 2 if beside_gpu and cores >= _MIN_CORES_FOR_TWO else 1


processes = ProcessPool(
    "dfaseg.inference.results.process_worker",
    # Its memory is counted with ours: as few heaps as there are threads that matter.
    {"MALLOC_ARENA_MAX": "2"},
)
"""Those of this process; they end with it."""


class ProcessResults:
    """A ``ResultHost`` whose results are made by another process.

    Args:
        makers: What makes each result.
        width: Columns of the mask.

    Raises:
        OSError: There is no memory to share, or no process to be had.
    """

    def __init__(self, makers: Makers, width: int) -> None:
        rows = max(1, SLOT_BYTES // width)
        self._memory = SharedPixels.create((_SLOTS, rows, width))
        try:
            self._process: SideProcess | None = processes.take()
        except OSError:
            self._memory.close()
            raise
        self._num_waiting = 0
        self._next_slot = 0
        # Nobody should wait for a process that is only starting.
        self._sending = Worker("results", _PORTIONS_AHEAD)
        self._sending.submit(self._send, Order(makers, self._memory.shape), self._memory.fd)

    def begin(self) -> None:
        """Start all results anew; see ``ResultHost``."""
        self._sending.submit(self._send, Call("begin"))

    def write_rows(self, mask_rows: NDArray[np.uint8]) -> None:
        """Hand the next rows over; see ``ResultHost``."""
        self._sending.submit(self._send_rows, mask_rows)

    def finish(self) -> Findings:
        """Complete all results; see ``ResultHost``."""
        findings: Findings = self._call("finish")
        return findings

    def state(self) -> State:
        """Return what a later run needs to go on; see ``ResultHost``."""
        state: State = self._call("state")
        return state

    def restore(self, state: SavedState) -> None:
        """Go on from an earlier state; see ``ResultHost``."""
        self._call("restore", dict(state))

    def close(self) -> None:
        """End the work; see ``ResultHost``."""
        if self._process is None:
            return
        self._sending.close()
        process, self._process = self._process, None
        try:
            process.send(Call("close"))
            for _ in range(self._num_waiting):
                process.receive()  # what failed was raised before, or matters no more
            reply: Reply = process.receive()
        except (EOFError, OSError):
            processes.give_up(process)
        else:
            if reply.error is None:
                processes.give_back(process)
            else:
                processes.give_up(process)
        finally:
            self._memory.close()

    def _send_rows(self, mask_rows: NDArray[np.uint8]) -> None:
        slots = self._memory.pixels
        for first in range(0, len(mask_rows), slots.shape[1]):
            rows = mask_rows[first : first + slots.shape[1]]
            # Replies come in order: with fewer than all slots unanswered, the next one is free.
            self._await_replies(_SLOTS - 1)
            slots[self._next_slot, : len(rows)] = rows
            self._send(Rows(self._next_slot, len(rows)))
            self._next_slot = (self._next_slot + 1) % _SLOTS

    def _call(self, method: str, *arguments: object) -> Any:
        """Make a call and wait for what it returns."""
        self._sending.drain()
        self._send(Call(method, arguments))
        return self._await_replies(0)

    def _send(self, message: Order | Rows | Call, fd: int | None = None) -> None:
        process = self._at_work()
        try:
            process.send(message)
            if fd is not None:
                process.send_file(fd)
        except OSError as error:
            raise self._has_ended() from error
        self._num_waiting += 1

    def _await_replies(self, most_left: int) -> Any:
        """Wait until no more messages than that are unanswered; return the last answer's value."""
        value: Any = None
        process = self._at_work()
        while self._num_waiting > most_left:
            try:
                reply: Reply = process.receive()
            except (EOFError, OSError) as error:
                raise self._has_ended() from error
            self._num_waiting -= 1
            if reply.error is not None:
                raise reply.error
            value = reply.value
        return value

    def _at_work(self) -> SideProcess:
        if self._process is None:
            raise self._has_ended()
        return self._process

    def _has_ended(self) -> OutputError:
        return OutputError(
            "results: the process that makes them has ended, perhaps for lack of memory; run the "
            "same command again to go on"
        )
