"""Signals that ask a run to stop before it is ready to heed them: while libraries are loaded."""

import signal
from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class StopRequest(BaseException):
    """Somebody asked to stop; no ``Exception``, so that no library takes it for a failure."""


def end_on_signals() -> None:
    """End with a ``StopRequest`` on what would end the process without a word, or in a traceback.

    A command that has something to finish first takes the signals over.
    """
    for number in STOP_SIGNALS:
        signal.signal(number, _raise)


def leave_signals(action: signal.Handlers) -> None:
    """Ignore the signals from now on, or let the system end the process on them."""
    for number in STOP_SIGNALS:
        signal.signal(number, action)


def _raise(_signum: int, _frame: FrameType | None) -> None:
    raise StopRequest
