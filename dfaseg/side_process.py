"""Processes that work for this one: Python's lock is not shared with them.

They are started as programs of their own, not forked: a fork of a process with threads may hang.
Messages are pickled and go through a socket that nobody else can reach.
"""

import ctypes
import os
import pickle
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from types import MappingProxyType
from typing import Any

_SECONDS_TO_END = 5.0
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_PR_SET_PDEATHSIG = 1


class SideProcess:
    """A process at work for this one.

    Args:
        module: Its program, a module that hands its argument to ``Master``.
        environment: Variables it gets besides this process's.
    """

    def __init__(self, module: str, environment: Mapping[str, str] = MappingProxyType({})) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, **_ONE_THREAD, "PYTHONPATH": _import_path(), **environment},
            )
        self._link = ours
        self._messages = Connection(os.dup(ours.fileno()))

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """What it ended with, negative for a signal; None while it runs."""
        return self._process.poll()

    def send(self, message: object) -> None:
        """Send a message.

        Raises:
            OSError: The process has ended.
        """
        self._messages.send(message)

    def send_file(self, fd: int) -> None:
        """Send an open file, after the message that announces it.

        Raises:
            OSError: The process has ended.
        """
        socket.send_fds(self._link, [b"f"], [fd])

    def receive(self) -> Any:
        """Wait for the next message.

        Raises:
            EOFError, OSError: The process has ended.
        """
        return self._messages.recv()

    def close(self) -> None:
        """Let the process end, and wait for it."""
        self._messages.close()
        self._link.close()
        try:
            self._process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """End the process at once, whatever it is doing; who waits for a message learns of it."""
        self._process.kill()

    def kill(self) -> None:
        """End the process at once and let go of it; nobody must be waiting for a message."""
        self.stop()
        self.close()


class Master:
    """The other end: whom a process works for.

    Who asks for a stop asks the master; so signals that do are ignored here.

    Args:
        argument: The program's argument.
    """

    def __init__(self, argument: str) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)
        self._link = socket.socket(fileno=int(argument))
        self._messages = Connection(os.dup(self._link.fileno()))

    def send(self, message: object) -> None:
        """Send a message."""
        self._messages.send(message)

    def receive(self) -> Any:
        """Wait for the next message.

        Raises:
            EOFError, OSError: The master has ended.
        """
        return self._messages.recv()

    def receive_file(self) -> int:
        """Return the open file that follows the message received last."""
        _, (fd,), _, _ = socket.recv_fds(self._link, 1, 1)
        return fd


def end_with_parent() -> None:
    """Let the system kill this process when the thread that started it ends; Linux only.

    A process that writes files must not go on for a moment beyond one that was killed: the next
    run may have begun on the same files.
    """
    with suppress(AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def portable(error: Exception) -> Exception:
    """Return an error that can be sent, with where it came from as a note."""
    error.add_note(f"in process {os.getpid()}:\n" + "".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 - whatever an error's own class makes of it
        return RuntimeError("\n".join([repr(error), *error.__notes__]))
    return error


def _import_path() -> str:
    """Return where modules are found here, so that they are found in another process, too."""
    return os.pathsep.join(path for path in sys.path if path)
