"""What is costly to open is opened once while it is needed."""

import pytest

from dfaseg.datasets.recent import Recent


@pytest.fixture
def log() -> list[str]:
    """Return the list that the fake things write to."""
    return []


@pytest.fixture
def recent(log: list[str]) -> Recent[str, str]:
    """Return a keeper of things that log when they are opened and closed."""

    def open_thing(key: str) -> str:
        log.append(f"open {key}")
        return key

    return Recent(open_thing, lambda thing: log.append(f"close {thing}"))


def test_last_thing_stays_open(recent: Recent[str, str], log: list[str]) -> None:
    """Parts of one thing that are read one after the other open it once."""
    for _ in range(3):
        with recent.using("a"):
            pass

    assert log == ["open a"]


def test_next_thing_closes_the_one_before_first(recent: Recent[str, str], log: list[str]) -> None:
    """Two are not held where one would do."""
    for key in ("a", "b"):
        with recent.using(key):
            pass

    assert log == ["open a", "close a", "open b"]


def test_thing_in_use_is_not_closed(recent: Recent[str, str], log: list[str]) -> None:
    """Another thread may still read from it."""
    with recent.using("a"):
        with recent.using("b"):
            pass
        assert log == ["open a", "open b"]

    assert log == ["open a", "open b", "close a"]


def test_last_use_closes(recent: Recent[str, str], log: list[str]) -> None:
    """Nothing is held once all is read."""
    with recent.using("a"), recent.using("a", is_last=True):
        pass

    assert log == ["open a", "close a"]


def test_failure_to_open_leaves_nothing(log: list[str]) -> None:
    """The next one who asks tries again."""

    def fail(key: str) -> str:
        raise OSError(key)

    recent: Recent[str, str] = Recent(fail, log.append)
    for _ in range(2):
        with pytest.raises(OSError, match="a"), recent.using("a"):
            pass

    assert log == []
