"""Work that is done in order, in a thread of its own, a little behind whoever asks for it."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import ParamSpec

P = ParamSpec("P")


class Worker:
    """A thread that makes calls one after another.

    Only one thread at a time may ask for work. What a call raises, a later ``submit`` or
    ``drain`` raises; the calls behind it are not made.

    Args:
        name: What the thread is called.
        ahead: Calls that may be under way before ``submit`` waits; bounds the memory they hold.
    """

    def __init__(self, name: str, ahead: int) -> None:
        self._ahead = ahead
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._waiting: deque[Future[None]] = deque()
        self._has_failed = False

    def submit(self, call: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Ask for a call; waits while too many are under way."""
        while len(self._waiting) >= self._ahead:
            self._waiting.popleft().result()
        self._waiting.append(self._thread.submit(self._make, partial(call, *args, **kwargs)))

    def drain(self) -> None:
        """Wait until every call asked for is done."""
        while self._waiting:
            self._waiting.popleft().result()

    def close(self) -> None:
        """End the thread after the call that it is making; those that wait are dropped."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _make(self, call: Callable[[], None]) -> None:
        if self._has_failed:
            return
        try:
            call()
        except BaseException:
            self._has_failed = True
            raise
