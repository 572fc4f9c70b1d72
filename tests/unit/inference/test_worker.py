"""Work done in order behind whoever asks for it."""

import threading

import pytest

from dfaseg.inference.worker import Worker


def test_calls_are_made_in_order() -> None:
    """Results must not depend on threads."""
    made: list[int] = []
    worker = Worker("numbers", 3)

    for number in range(50):
        worker.submit(made.append, number)
    worker.drain()

    assert made == list(range(50))
    worker.close()


def test_asking_waits_while_too_much_is_under_way() -> None:
    """What waits holds memory, so it is bounded."""
    go, asked = threading.Event(), threading.Event()
    worker = Worker("slow", 2)

    def wait() -> None:
        go.wait(10)

    def ask() -> None:
        for _ in range(3):
            worker.submit(wait)
        asked.set()

    thread = threading.Thread(target=ask)
    thread.start()

    assert not asked.wait(0.05)
    go.set()
    assert asked.wait(10)
    thread.join()
    worker.close()


def test_after_a_failure_nothing_more_is_done() -> None:
    """What comes behind a failed call would build on what is not there."""
    made: list[int] = []
    worker = Worker("failing", 4)

    def fail() -> None:
        raise OSError("disk full")

    worker.submit(fail)
    worker.submit(made.append, 1)

    with pytest.raises(OSError, match="disk full"):
        worker.drain()
    worker.submit(made.append, 2)
    worker.drain()
    worker.close()
    assert made == []


def test_closing_drops_what_waits() -> None:
    """A run that fails or is stopped does not finish what nobody will read."""
    begun, go = threading.Event(), threading.Event()
    made: list[int] = []
    worker = Worker("stopped", 9)

    def wait() -> None:
        begun.set()
        go.wait(10)

    worker.submit(wait)
    worker.submit(made.append, 1)
    assert begun.wait(10)
    threading.Timer(0.05, go.set).start()
    worker.close()

    assert made == []
