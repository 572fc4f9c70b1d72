"""What an output folder says of its slides: finished, in work, interrupted, failed."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfaseg.errors import OutputError
from dfaseg.files import explain
from dfaseg.inference.batch.claims import Claims, HolderState
from dfaseg.inference.batch.events import DONE, EVENTS_FILE, FAILED, read_events
from dfaseg.inference.batch.spec import CLAIMS_FOLDER
from dfaseg.inference.outputs import OutputPaths

_RECORD_ENDING = ".run.json"


@dataclass(frozen=True, slots=True)
class SlideStatus:
    """How a slide stands.

    Attributes:
        slide_id: Its id.
        word: ``done``, ``in work``, ``interrupted`` or ``failed``.
        detail: Who works on it, or why it failed; empty where nothing is to be said.
    """

    slide_id: str
    word: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class FolderStatus:
    """How an output folder stands.

    Attributes:
        slides: By id.
        tiles: Patches of all slides that were done.
        seconds: Time that they took, added up over processes.
    """

    slides: tuple[SlideStatus, ...]
    tiles: int
    seconds: float

    def of(self, word: str) -> list[SlideStatus]:
        """Return the slides of which a word holds."""
        return [slide for slide in self.slides if slide.word == word]


def read_status(folder: Path) -> FolderStatus:
    """Look through an output folder; nothing is written or waited for.

    Raises:
        OutputError: It cannot be read.
    """
    if not folder.is_dir():
        raise OutputError(f"folder '{folder}': does not exist; give the --out of dfaseg predict")
    events = read_events(folder / EVENTS_FILE)
    last = {str(event["id"]): event for event in events}
    try:
        records = [path.name for path in folder.glob(f"*{_RECORD_ENDING}")]
        names = {name.removesuffix(_RECORD_ENDING) for name in records} | set(last)
        claims = Claims(folder / CLAIMS_FOLDER)
        slides = [_status_of(name, folder, last.get(name), claims) for name in names]
    except OSError as error:
        raise OutputError(f"folder '{folder}': cannot be read ({explain(error)})") from error
    done = [event for event in events if event["event"] == DONE]
    return FolderStatus(
        slides=tuple(sorted(slides, key=lambda slide: slide.slide_id)),
        tiles=sum(int(event.get("tiles", 0)) for event in done),
        seconds=sum(float(event.get("seconds", 0)) for event in done),
    )


def _status_of(
    slide_id: str,
    folder: Path,
    last: Mapping[str, Any] | None,
    claims: Claims,
) -> SlideStatus:
    """Say how one slide stands.

    Raises:
        OSError: Its claim cannot be read.
    """
    held = claims.holder(slide_id)
    if held and held.state is not HolderState.DEAD:
        # Roughly: the disk's clock need not be this machine's.
        silence = max(0.0, time.time() - held.changed)
        return SlideStatus(slide_id, "in work", f"{held}, last sign of life {silence:.0f} s ago")
    if OutputPaths.beside(folder / f"{slide_id}.zarr").record.exists():
        return SlideStatus(slide_id, "done")
    if last and last["event"] == FAILED:
        return SlideStatus(slide_id, "failed", str(last.get("reason", "")))
    return SlideStatus(slide_id, "interrupted")
