"""What became of each slide of a run over many."""

from dataclasses import dataclass
from enum import Enum

from dfaseg.slide.inputs import SlideInput


class Outcome(Enum):
    """What became of a slide."""

    DONE = "done"
    SKIPPED = "skipped"
    """Its results were there."""
    ELSEWHERE = "elsewhere"
    """Another process, which is alive, works on it."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SlideOutcome:
    """What became of one slide.

    Attributes:
        slide: Which.
        outcome: What.
        reason: Why; empty where nothing is to be said.
        num_unreadable: Native tiles that could not be decoded when the slide was done, now or
            before; their pixels are 255.
    """

    slide: SlideInput
    outcome: Outcome
    reason: str = ""
    num_unreadable: int = 0


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What became of all slides of this process, in the order of the list."""

    slides: tuple[SlideOutcome, ...]

    def of(self, outcome: Outcome) -> list[SlideOutcome]:
        """Return the slides that came to this end."""
        return [slide for slide in self.slides if slide.outcome is outcome]

    @property
    def partly_unreadable(self) -> list[SlideOutcome]:
        """The finished slides of which native tiles could not be decoded."""
        return [slide for slide in self.slides if slide.num_unreadable]
