"""Libraries that load slowly and that most runs of a command never use."""

from importlib import import_module
from types import ModuleType
from typing import Any


class LateModule(ModuleType):
    """Stands in for a module until something of it is asked for; safe with threads.

    The standard library's ``LazyLoader`` is not safe with threads before Python 3.12.2.
    """

    def __getattr__(self, name: str) -> Any:
        """Load the module, if need be, and return what it holds by that name."""
        value = getattr(import_module(self.__name__), name)
        setattr(self, name, value)  # the next time without a detour
        return value
