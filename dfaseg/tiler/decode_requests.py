"""What a process and those that decode for it say to one another."""

from dataclasses import dataclass, field

from dfaseg.tiler.plan import ReadPlan
from dfaseg.tiler.tile_jobs import Failures


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """Open a slide, and the memory whose file follows.

    Attributes:
        location: Where the slide lies.
        mpp: Its µm per pixel.
        plan: Which level is read, and how its tiles are decoded.
        shape: Shape of the memory: slots, places, height, width, colours.
    """

    location: str
    mpp: float
    plan: ReadPlan
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DecodeRequest:
    """Decode tiles of one row into places of a slot, from ``first`` on."""

    slot: int
    first: int
    cols: tuple[int, ...]
    row: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a request.

    Attributes:
        failures: Tiles that could not be decoded; they are white.
        problem: Why nothing could be done at all; empty where it could.
    """

    failures: Failures = field(default_factory=dict)
    problem: str = ""
