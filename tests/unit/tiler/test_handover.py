"""Items made ahead in a thread: order, bound, failures, and an end that is always reached."""

import threading

import pytest

from dfaseg.tiler.handover import made_ahead


def test_items_come_in_order():
    """Nothing is lost or moved on the way."""

    def make():
        yield from range(20)

    assert list(made_ahead(make, 3, name="numbers")) == list(range(20))


def test_a_failure_travels_after_what_was_made_before_it():
    """Who iterates gets the good items first, then the very error."""

    def make():
        yield 1
        raise KeyError("gone")

    items = made_ahead(make, 3, name="failing")

    assert next(items) == 1
    with pytest.raises(KeyError, match="gone"):
        next(items)


def test_leaving_early_ends_the_thread_and_closes_what_it_used():
    """A consumer that stops at the first item leaves neither a thread nor an open generator."""
    closed = threading.Event()

    def make():
        try:
            yield from range(10**9)
        finally:
            closed.set()

    items = made_ahead(make, 2, name="endless")
    assert next(items) == 0
    items.close()

    assert closed.is_set()
    assert "endless" not in {thread.name for thread in threading.enumerate()}
