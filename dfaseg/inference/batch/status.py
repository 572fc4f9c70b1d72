"""What an output folder says of its slides: finished, in work, interrupted, failed."""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dfaseg.errors import OutputError
from dfaseg.files import explain
from dfaseg.inference.batch.claims import Claims, HolderState
from dfaseg.inference.batch.events import DONE, EVENTS_FILE, FAILED, read_events
from dfaseg.inference.batch.spec import claims_in
from dfaseg.storage.store_path import Place, StorePath
from dfaseg.tiler.unreadable import unreadable_words

_RECORD_ENDING = ".run.json"


@dataclass(frozen=True, slots=True)
class SlideStatus:
    """How a slide stands.

    Attributes:
        slide_id: Its id.
        word: ``done``, ``in work``, ``interrupted`` or ``failed``.
        detail: Who works on it, why it failed, or what is missing of it; empty where nothing is
            to be said.
    """

    slide_id: str
    word: str
    detail: str = ""

    @property
    def is_partly_unreadable(self) -> bool:
        """Whether it is done but for native tiles that could not be decoded."""
        return self.word == "done" and bool(self.detail)


@dataclass(frozen=True, slots=True)
class FolderStatus:
    """How an output folder stands.

    Attributes:
        slides: By id.
        tiles: Patches of all slides that were done.
        seconds: Time that they took, added up over processes and attempts. One that was killed has
            left none.
    """

    slides: tuple[SlideStatus, ...]
    tiles: int
    seconds: float

    def of(self, word: str) -> list[SlideStatus]:
        """Return the slides of which a word holds."""
        return [slide for slide in self.slides if slide.word == word]

    @property
    def partly_unreadable(self) -> list[SlideStatus]:
        """The slides that are done but for native tiles that could not be decoded."""
        return [slide for slide in self.slides if slide.is_partly_unreadable]


def read_status(folder: Place) -> FolderStatus:
    """Look through an output folder; nothing is written or waited for.

    Raises:
        OutputError: It cannot be read.
    """
    finished = _finished_in(folder)
    events = read_events(folder / EVENTS_FILE)
    last = {str(event["id"]): event for event in events}
    done = [event for event in events if event["event"] == DONE]
    # Attempts that failed later have left the results as they were.
    last |= {str(event["id"]): event for event in done if event["id"] in finished}
    try:
        claims = Claims(claims_in(folder))
        slides = [
            _status_of(name, last.get(name, {}), claims, is_done=name in finished)
            for name in finished | set(last)
        ]
    except OSError as error:
        raise OutputError(f"folder '{folder}': cannot be read ({explain(error)})") from error
    return FolderStatus(
        slides=tuple(sorted(slides, key=lambda slide: slide.slide_id)),
        tiles=sum(int(event.get("tiles", 0)) for event in done),
        seconds=_seconds_of_done(events),
    )


def _seconds_of_done(events: Iterable[Mapping[str, Any]]) -> float:
    """Return the time of all slides that were done, with that of attempts before the last."""
    spent: defaultdict[str, float] = defaultdict(float)
    total = 0.0
    for event in events:
        spent[event["id"]] += float(event.get("seconds", 0))
        if event["event"] == DONE:
            total += spent.pop(event["id"])
    return total


def _finished_in(folder: Place) -> set[str]:
    """Return the ids of the slides whose records are there.

    Raises:
        OutputError: There is no such folder, or it cannot be read.
    """
    try:
        names = _names_in(folder)
    except OSError as error:
        raise OutputError(f"folder '{folder}': cannot be read ({explain(error)})") from error
    if names is None:
        raise OutputError(
            f"folder '{folder}': does not exist; give the --out of dfaseg predict or dfaseg train"
        )
    records = [name for name in names if name.endswith(_RECORD_ENDING)]
    return {name.removesuffix(_RECORD_ENDING) for name in records}


def _names_in(folder: Place) -> list[str] | None:
    """Return what is in a folder; None where it does not exist."""
    if isinstance(folder, StorePath):
        # Late, because the network libraries take as long to load as all else together.
        from dfaseg.storage.objects import list_names  # noqa: PLC0415

        return list_names(folder) or None
    return [path.name for path in folder.iterdir()] if folder.is_dir() else None


def _status_of(
    slide_id: str, last: Mapping[str, Any], claims: Claims, *, is_done: bool
) -> SlideStatus:
    """Say how one slide stands.

    Args:
        slide_id: Its id.
        last: The event that tells; empty where there is none.
        claims: Who holds what.
        is_done: Whether its record is there.

    Raises:
        OSError: Its claim cannot be read.
    """
    held = claims.holder(slide_id)
    if held and held.state is not HolderState.DEAD:
        # Roughly: the disk's clock need not be this machine's.
        silence = max(0.0, time.time() - held.changed)
        return SlideStatus(slide_id, "in work", f"{held}, last sign of life {silence:.0f} s ago")
    if is_done:
        num_unreadable = int(last.get("unreadable_tiles", 0))
        gaps = f"{unreadable_words(num_unreadable)}, see {slide_id}{_RECORD_ENDING}"
        return SlideStatus(slide_id, "done", gaps if num_unreadable else "")
    if last.get("event") == FAILED:
        return SlideStatus(slide_id, "failed", str(last.get("reason", "")))
    return SlideStatus(slide_id, "interrupted")
