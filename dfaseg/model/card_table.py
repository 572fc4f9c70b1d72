"""Typed access to a parsed card; every wrong entry becomes one line naming file, key and cure."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeGuard, TypeVar

from dfaseg.errors import CheckpointError

T = TypeVar("T")


class CardTable:
    """One table of a card, with the file and the place it was found in."""

    def __init__(self, entries: Any, source: Path, prefix: str = "") -> None:
        self.source = source
        self._prefix = prefix
        if not isinstance(entries, Mapping):
            raise CheckpointError(
                f"model '{source}': card entry '{prefix.rstrip('.') or 'card'}' must be a table; "
                "correct it or get the file again"
            )
        self.entries: Mapping[str, Any] = entries

    def text(self, key: str) -> str:
        """Return a string."""
        value = self._value(key)
        return value if isinstance(value, str) else self._refuse(key, "text")

    def integer(self, key: str) -> int:
        """Return a whole number."""
        value = self._value(key)
        return value if _is_integer(value) else self._refuse(key, "a whole number")

    def number(self, key: str) -> float:
        """Return a finite number."""
        value = self._value(key)
        return float(value) if _is_number(value) else self._refuse(key, "a number")

    def numbers(self, key: str) -> tuple[float, ...]:
        """Return a list of finite numbers."""
        value = self._value(key)
        if not isinstance(value, list) or not all(_is_number(entry) for entry in value):
            self._refuse(key, "a list of numbers")
        return tuple(float(entry) for entry in value)

    def pair(self, key: str) -> tuple[float, float]:
        """Return a list of two finite numbers."""
        value = self.numbers(key)
        return (value[0], value[1]) if len(value) == 2 else self._refuse(key, "two numbers")

    def records(self, key: str) -> list[Mapping[str, Any]]:
        """Return a list of tables."""
        value = self._value(key)
        if not isinstance(value, list) or not all(isinstance(entry, Mapping) for entry in value):
            self._refuse(key, "a list of tables")
        return list(value)

    def table(self, key: str) -> "CardTable":
        """Return a table inside this one."""
        return CardTable(self._value(key), self.source, f"{self._prefix}{key}.")

    def optional(self, key: str, read: Callable[[str], T]) -> T | None:
        """Return None where the card says null, else what ``read`` makes of the key."""
        return None if self._value(key) is None else read(key)

    def _value(self, key: str) -> Any:
        if key not in self.entries:
            raise CheckpointError(
                f"model '{self.source}': its card lacks '{self._prefix}{key}'; "
                "add it or get the file again"
            )
        return self.entries[key]

    def _refuse(self, key: str, wanted: str) -> NoReturn:
        raise CheckpointError(
            f"model '{self.source}': card entry '{self._prefix}{key}' must be {wanted}, "
            f"not {self.entries[key]!r}; correct it or get the file again"
        )


def _is_integer(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
