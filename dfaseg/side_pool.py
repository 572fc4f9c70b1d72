"""Side processes that are kept from one slide to the next, because they take time to start."""

import atexit
import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType

from dfaseg.side_process import SideProcess


class ProcessPool:
    """Processes of one program; those without work are kept for the next slide.

    All that are left end with this process, and none is taken along by a fork of it.

    Args:
        program: The module that they run.
        environment: Variables they get besides this process's.
    """

    def __init__(self, program: str, environment: Mapping[str, str] = MappingProxyType({})) -> None:
        self._program = program
        self._environment = environment
        self.forget()
        atexit.register(self.close)
        os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Leave all processes to the one that this process was forked from."""
        self._idle: list[SideProcess] = []
        self._num_taken = 0
        self._lock = threading.Lock()
        # They end with the thread that starts them (``end_with_parent``), so it must not end before
        # this process does, whichever thread asks.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="starter")

    def start_ahead(self, count: int) -> None:
        """Start processes that will soon be taken, until there are so many, at work or without.

        Raises:
            OSError: There are fewer to be had.
        """
        with self._lock:
            while len(self._idle) + self._num_taken < count:
                self._idle.append(self._start())

    def take(self) -> SideProcess:
        """Return a process that waits for an order; give it back or end it.

        Raises:
            OSError: There is none to be had.
        """
        with self._lock:
            process = None
            while self._idle and process is None:
                process = self._idle.pop()
                if process.exit_code is not None:
                    process.close()
                    process = None
            process = process or self._start()
            self._num_taken += 1
            return process

    def give_back(self, process: SideProcess) -> None:
        """Keep a process whose work is done."""
        with self._lock:
            self._num_taken -= 1
            self._idle.append(process)

    def give_up(self, process: SideProcess) -> None:
        """End a process that is of no use any more."""
        with self._lock:
            self._num_taken -= 1
        process.kill()

    def close(self) -> None:
        """End all that have no work."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()

    def _start(self) -> SideProcess:
        return self._starter.submit(SideProcess, self._program, self._environment).result()
