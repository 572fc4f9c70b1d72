"""The files of claims: made whole by one process only, changed by that process only."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfaseg.files import write_json
from dfaseg.inference.batch.exclusive import create_whole
from dfaseg.inference.batch.owners import Owner


@dataclass(frozen=True, slots=True)
class ClaimState:
    """What a claim's file says.

    Attributes:
        owner: Who made it; None where that cannot be read (yet).
        is_released: Whether its owner has let go.
        changed: Differs whenever the owner has shown a sign of life.
    """

    owner: Owner | None
    is_released: bool
    changed: int


def claim_path(folder: Path, slide_id: str, number: int) -> Path:
    """Return where the claim with a number lies."""
    return folder / f"{slide_id}.{number}"


def latest_claim(folder: Path, slide_id: str) -> int | None:
    """Return the highest number of a slide's claims; None where there is none.

    Numbers have no gaps, since no file is ever removed: who has read one must not find the name of
    the next free again. (Listing the folder would take longer, there may be thousands of slides.)
    """
    number = 0
    while claim_path(folder, slide_id, number).exists():
        number += 1
    return number - 1 if number else None


def create_claim(folder: Path, slide_id: str, number: int, owner: Owner) -> bool:
    """Make a claim's file; tell whether this process has made it, and no other.

    Raises:
        OSError: Nothing can be written there.
    """
    record = json.dumps(_record(owner, is_released=False)).encode()
    return create_whole(claim_path(folder, slide_id, number), record)


def read_claim(path: Path) -> ClaimState | None:
    """Read a claim's file; None where it is gone.

    Raises:
        OSError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            changed = os.fstat(file.fileno()).st_mtime_ns
            text = file.read()
    except FileNotFoundError:
        return None
    try:
        record = json.loads(text)
        return ClaimState(Owner.from_record(record), bool(record["released"]), changed)
    except (ValueError, KeyError, TypeError):
        return ClaimState(None, is_released=False, changed=changed)


def release_claim(path: Path, owner: Owner) -> None:
    """Say in a claim's file that its owner, who calls this, has let go.

    Raises:
        OutputError: It cannot be written.
    """
    write_json(path, _record(owner, is_released=True))


def _record(owner: Owner, *, is_released: bool) -> Mapping[str, Any]:
    return {**owner.to_record(), "released": is_released}
