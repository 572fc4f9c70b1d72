"""The files of claims: made whole by one process only, changed by that process only."""

import json
from dataclasses import dataclass

from dfaseg.inference.batch.owners import Owner
from dfaseg.sharing.shared_files import SharedFiles


@dataclass(frozen=True, slots=True)
class ClaimState:
    """What a claim's file says.

    Attributes:
        owner: Who made it; None where that cannot be read (yet).
        is_released: Whether its owner has let go.
        version: Differs whenever the owner has shown a sign of life.
        changed: When that was, in seconds since 1970 by the clock of the disk or store.
    """

    owner: Owner | None
    is_released: bool
    version: str
    changed: float


def claim_name(slide_id: str, number: int) -> str:
    """Return the name of the claim with a number."""
    return f"{slide_id}.{number}"


def latest_claim(files: SharedFiles, slide_id: str) -> int | None:
    """Return the highest number of a slide's claims; None where there is none.

    Numbers have no gaps, since no file is ever removed: who has read one must not find the name of
    the next free again. (Listing the folder would take longer, there may be thousands of slides.)
    """
    number = 0
    while files.look(claim_name(slide_id, number)) is not None:
        number += 1
    return number - 1 if number else None


def create_claim(files: SharedFiles, slide_id: str, number: int, owner: Owner) -> bool:
    """Make a claim's file; tell whether this process has made it, and no other.

    Raises:
        OSError: Nothing can be written there.
        OutputError: The same, in an object store.
    """
    return files.create(claim_name(slide_id, number), claim_record(owner, is_released=False))


def read_claim(files: SharedFiles, slide_id: str, number: int) -> ClaimState | None:
    """Read a claim's file; None where it is gone.

    Raises:
        OSError: It cannot be read.
        OutputError: The same, in an object store.
    """
    seen = files.look(claim_name(slide_id, number))
    if seen is None:
        return None
    try:
        record = json.loads(seen.content)
        owner, is_released = Owner.from_record(record), bool(record["released"])
    except (ValueError, KeyError, TypeError):
        return ClaimState(None, is_released=False, version=seen.version, changed=seen.changed)
    return ClaimState(owner, is_released, seen.version, seen.changed)


def claim_record(owner: Owner, *, is_released: bool) -> bytes:
    """Return what a claim's file holds.

    Args:
        owner: Who makes it.
        is_released: Whether its owner has let go.
    """
    return json.dumps({**owner.to_record(), "released": is_released}).encode()
