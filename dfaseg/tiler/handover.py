"""Items made in a thread of their own, a bounded number ahead of who takes them."""

import queue
import threading
from collections.abc import Callable, Generator
from contextlib import closing
from typing import Generic, TypeVar

Item = TypeVar("Item")


class _End(Generic[Item]):
    """Last entry of a queue, with what ended it where that was a failure."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def made_ahead(
    make: Callable[[], Generator[Item, None, None]], ahead: int, *, name: str
) -> Generator[Item, None, None]:
    """Yield what an iterator makes while it runs in a thread of its own.

    Leaving the iteration, even early, ends the thread. A failure travels to who iterates.

    Args:
        make: Called in the thread; its iterator is closed there.
        ahead: Items that may wait; more would only hold memory.
        name: Name of the thread.
    """
    waiting: queue.Queue[Item | _End[Item]] = queue.Queue(ahead)
    stopped = threading.Event()

    def produce() -> None:
        error = None
        try:
            with closing(make()) as items:
                for item in items:
                    if not _put(waiting, item, stopped):
                        return
        except BaseException as caught:  # noqa: BLE001 - raised again in the consumer's thread
            error = caught
        _put(waiting, _End(error), stopped)

    producer = threading.Thread(target=produce, name=name, daemon=True)
    producer.start()
    try:
        while not isinstance(item := waiting.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stopped.set()
        _drain(waiting)
        producer.join()


def _put(waiting: "queue.Queue[Item]", item: Item, stopped: threading.Event) -> bool:
    """Wait for room in the queue; give up once nobody listens."""
    while not stopped.is_set():
        try:
            waiting.put(item, timeout=0.1)
        except queue.Full:
            continue
        return True
    return False


def _drain(waiting: "queue.Queue[Item]") -> None:
    """Make room, so that a producer waiting to put can see that it was stopped."""
    while not waiting.empty():
        try:
            waiting.get_nowait()
        except queue.Empty:
            return
