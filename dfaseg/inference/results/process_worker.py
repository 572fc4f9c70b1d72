"""A process that makes results: ``python -m dfaseg.inference.results.process_worker SOCKET``.

It makes those of one run after another and ends with the process that it works for. It imports
no torch.
"""

import sys
from contextlib import suppress
from dataclasses import replace
from typing import Any

from dfaseg.allocator import collect_rarely
from dfaseg.inference.results.host import Findings
from dfaseg.inference.results.messages import Call, Order, Reply, Rows
from dfaseg.inference.results.threads import ThreadedResults
from dfaseg.limits import cpu_seconds, peak_memory_bytes
from dfaseg.side_process import Master, end_with_parent, portable
from dfaseg.tiler.shared_memory import SharedPixels


class _Worker:
    """Answers the messages of one master."""

    def __init__(self, master: Master) -> None:
        self._master = master
        self._results: ThreadedResults | None = None
        self._memory: SharedPixels | None = None
        self._began_at = 0.0

    def serve(self) -> None:
        """Answer until the master is gone."""
        with suppress(EOFError, OSError):
            while True:
                self._master.send(self._answer(self._master.receive()))

    def _answer(self, message: Order | Rows | Call) -> Reply:
        try:
            return Reply(self._do(message))
        except Exception as error:  # noqa: BLE001 - raised again by the master
            return Reply(error=portable(error))

    def _do(self, message: Order | Rows | Call) -> Any:
        if isinstance(message, Order):
            self._take(message)
        elif isinstance(message, Rows):
            self._write(message)
        elif message.method == "close":
            self._close()
        else:
            value = getattr(self._results, message.method)(*message.arguments)
            return self._with_usage(value) if isinstance(value, Findings) else value
        return None

    def _write(self, rows: Rows) -> None:
        assert self._results is not None
        assert self._memory is not None
        # The slot is free for other rows as soon as the answer is there.
        self._results.write_rows(self._memory.pixels[rows.slot, : rows.count].copy())

    def _take(self, order: Order) -> None:
        self._began_at = cpu_seconds()
        self._memory = SharedPixels(self._master.receive_file(), order.shape)
        self._results = ThreadedResults(order.makers)

    def _with_usage(self, findings: Findings) -> Findings:
        return replace(
            findings,
            cpu_seconds=cpu_seconds() - self._began_at,
            peak_bytes=peak_memory_bytes(),
        )

    def _close(self) -> None:
        results, memory = self._results, self._memory
        self._results = self._memory = None
        if results is not None:
            results.close()
        if memory is not None:
            memory.close()


def main() -> None:
    """Serve the socket whose number is the argument."""
    end_with_parent()
    collect_rarely()
    _Worker(Master(sys.argv[1])).serve()


if __name__ == "__main__":
    main()
