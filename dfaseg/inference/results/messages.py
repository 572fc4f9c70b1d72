"""What a run and the process that makes its results say to one another."""

from dataclasses import dataclass
from typing import Any

from dfaseg.inference.results.host import Makers


@dataclass(frozen=True, slots=True)
class Order:
    """Make these results, of mask rows in the memory whose file follows.

    Attributes:
        makers: What makes each result.
        shape: Shape of the memory: slots, rows, columns.
    """

    makers: Makers
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """Take the next mask rows: the first ``count`` of a slot."""

    slot: int
    count: int


@dataclass(frozen=True, slots=True)
class Call:
    """Call a method of ``ResultHost``."""

    method: str
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a message: each gets one.

    Attributes:
        value: What the call returned.
        error: What it raised instead.
    """

    value: Any = None
    error: Exception | None = None
