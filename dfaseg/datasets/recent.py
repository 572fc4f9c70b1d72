"""Things that are costly to open, kept open while they are likely to be asked for again."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Thing = TypeVar("Thing")


class Recent(Generic[Key, Thing]):
    """Keeps open what was asked for last; everything else is closed once nobody uses it.

    Threads that read the parts of one thing after another, and then those of the next, open each
    thing once and hold as many as are in use.

    Args:
        open_thing: Opens what a key stands for.
        close_thing: Closes it again.
    """

    def __init__(
        self, open_thing: Callable[[Key], Thing], close_thing: Callable[[Thing], None]
    ) -> None:
        self._open_thing = open_thing
        self._close_thing = close_thing
        self._lock = Lock()
        self._open: dict[Key, Thing] = {}
        self._users: Counter[Key] = Counter()
        self._latest: Key | None = None

    @contextmanager
    def using(self, key: Key, *, is_last: bool = False) -> Iterator[Thing]:
        """Lend a thing, opened if it is not.

        Args:
            key: What it is known by.
            is_last: Whether nobody is expected to ask for it afterwards.
        """
        with self._lock:
            self._latest = key
            # What is not needed any more makes room before more is taken.
            self._close_idle()
            if key not in self._open:
                self._open[key] = self._open_thing(key)
            self._users[key] += 1
            thing = self._open[key]
        try:
            yield thing
        finally:
            with self._lock:
                self._users[key] -= 1
                if is_last and self._latest == key:
                    self._latest = None
                self._close_idle()

    def _close_idle(self) -> None:
        for key in list(self._open):
            if self._users[key] == 0 and key != self._latest:
                self._close_thing(self._open.pop(key))
