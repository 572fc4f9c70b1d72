"""Several forward passes at a time on a CPU, each on cores of its own.

One pass spread over all cores waits at the end of every small operation for its slowest thread;
passes side by side do not. They also give the same bits whatever the number of cores, as long as
each has one to itself.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

MAX_STREAMS = 8
"""Python code between operations runs in one thread at a time, which more passes would wait for."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class ForwardStreams:
    """A few threads that run forward passes, the cores shared out among them.

    Args:
        cores: Cores the job may use.
    """

    def __init__(self, cores: int) -> None:
        self.count = min(cores, MAX_STREAMS)
        threads = cores // self.count
        torch.set_num_threads(threads)
        self._pool = ThreadPoolExecutor(
            self.count,
            thread_name_prefix="forward",
            initializer=torch.set_num_threads,
            initargs=(threads,),
        )

    def submit(
        self, forward: Callable[[Item], Result], items: Iterable[Item]
    ) -> list[Future[Result]]:
        """Begin to apply a function to all items."""
        return [self._pool.submit(forward, item) for item in items]
