"""Claims: several processes, on several machines, share slides without doing one twice.

A claim is a file ``ID.N``. Who creates it holds the slide: making a file that must not exist is
atomic on network disks too, where locks and clocks are not to be relied on, and in object stores
with conditional writes. While it is held, its time of change is renewed every few seconds. A slide
whose holder has let go, or has died, is taken by creating ``ID.N+1``, which again only one can do.

A holder on this machine is dead when the system knows its process no more; one on another when its
file has not changed for ``Timing.stale`` seconds, by the clock of who watches, over many looks.
"""

import logging
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from types import TracebackType
from typing import Self

from dfaseg.errors import ClaimLostError, OutputError
from dfaseg.files import explain
from dfaseg.inference.batch.claim_files import (
    ClaimState,
    claim_name,
    claim_record,
    create_claim,
    latest_claim,
    read_claim,
)
from dfaseg.inference.batch.owners import Owner
from dfaseg.sharing.shared_files import SharedFiles

log = logging.getLogger(__name__)

_ATTEMPTS = 8
"""More others than this do not take the same slide within the few milliseconds of an attempt."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds.

    Attributes:
        beat: Between two signs of life of a holder.
        look: Between two looks at others' claims while there is nothing else to do.
        stale: Without a sign of life, after which a holder on another machine counts as dead.
    """

    beat: float = 15.0
    look: float = 10.0
    stale: float = 300.0


class HolderState(Enum):
    """What is known of who holds a slide."""

    ALIVE = "alive"
    SILENT = "silent"
    """On another machine; no sign of life seen yet, nor watched for long enough."""
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Held:
    """A slide that somebody else holds.

    Attributes:
        owner: Who; None where that cannot be read.
        state: Whether the owner lives.
        changed: When it last gave a sign of life, in seconds since 1970 by the disk's clock.
    """

    owner: Owner | None
    state: HolderState
    changed: float

    def __str__(self) -> str:
        return str(self.owner) if self.owner else "another process"


@dataclass(frozen=True, slots=True)
class Claim:
    """A slide that this process holds.

    Attributes:
        slide_id: Which.
        number: Of its file.
        owner: Who this process is.
        files: Where the file lies.
    """

    slide_id: str
    number: int
    owner: Owner
    files: SharedFiles

    @property
    def name(self) -> str:
        """Name of its file."""
        return claim_name(self.slide_id, self.number)

    def check(self) -> None:
        """Make sure that no other process has taken this one for dead.

        Raises:
            ClaimLostError: Another has, or the file was removed.
        """
        following = claim_name(self.slide_id, self.number + 1)
        if self.files.look(following) is not None or self.files.look(self.name) is None:
            raise ClaimLostError(
                f"slide '{self.slide_id}': another process has taken it over, because this one "
                "gave no sign of life; it goes on there"
            )


@dataclass(slots=True)
class _Watch:
    """What has been seen of another's claim."""

    version: str
    looked: float
    silent_for: float = 0.0
    has_changed: bool = False


@dataclass(slots=True)
class Claims:
    """The claims of one output folder, as one process sees and makes them.

    Args:
        files: Where their files lie; the place is made when missing.
        timing: How often, and how long.
    """

    files: SharedFiles
    timing: Timing = field(default_factory=Timing)
    _held: dict[str, Claim] = field(default_factory=dict)
    _watched: dict[tuple[str, int], _Watch] = field(default_factory=dict)
    _end: threading.Event = field(default_factory=threading.Event)
    _changing: threading.Lock = field(default_factory=threading.Lock)
    _heart: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.files.prepare()
        self._heart = threading.Thread(target=self._beat, name="claims", daemon=True)
        self._heart.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for claim in list(self._held.values()):
            self.release(claim)
        self._end.set()
        if self._heart:
            self._heart.join()

    def take(self, slide_id: str, *, from_dead: bool = True) -> Claim | Held:
        """Claim a slide.

        Args:
            slide_id: Which.
            from_dead: Whether to take it from a holder that has died.

        Raises:
            OutputError: Claims cannot be read or written.
        """
        try:
            for _ in range(_ATTEMPTS):
                found = self._attempt(slide_id, from_dead=from_dead)
                if found is not None:
                    return found
        except OSError as error:
            raise OutputError(
                f"claims in '{self.files}': cannot be read or written ({explain(error)})"
            ) from error
        return Held(None, HolderState.ALIVE, time.time())

    def release(self, claim: Claim) -> None:
        """Let go of a slide, so that others may take it."""
        # A sign of life that was on its way would make the slide seem held again.
        with self._changing:
            self._held.pop(claim.slide_id, None)
            # Where even that cannot be written, others find out that this process has ended.
            with suppress(ClaimLostError, OSError, OutputError):
                claim.check()
                self.files.replace(claim.name, claim_record(claim.owner, is_released=True))

    def forget(self) -> None:
        """Watch the claims of others anew, because the last look was long ago."""
        self._watched.clear()

    def holder(self, slide_id: str) -> Held | None:
        """Return who holds a slide, without taking it; None where nobody does.

        Raises:
            OSError: Claims cannot be read.
            OutputError: The same, in an object store.
        """
        number = latest_claim(self.files, slide_id)
        state = None if number is None else read_claim(self.files, slide_id, number)
        if number is None or state is None or state.is_released:
            return None
        return Held(state.owner, self._judge(slide_id, number, state), state.changed)

    def _attempt(self, slide_id: str, *, from_dead: bool) -> Claim | Held | None:
        """Try once; None where another process was faster and it is worth another look."""
        number = latest_claim(self.files, slide_id)
        if number is not None:
            held = self.holder(slide_id)
            if held and not (from_dead and held.state is HolderState.DEAD):
                return held
        following = 0 if number is None else number + 1
        owner = Owner.of_this_process()
        if not create_claim(self.files, slide_id, following, owner):
            return None
        claim = Claim(slide_id, following, owner, self.files)
        self._held[slide_id] = claim
        return claim

    def _judge(self, slide_id: str, number: int, state: ClaimState) -> HolderState:
        """Say whether a holder lives, from this look and those before."""
        if state.owner and state.owner.is_known_dead:
            return HolderState.DEAD
        if state.owner and state.owner.is_on_this_machine:
            return HolderState.ALIVE
        watch = self._look(slide_id, number, state.version)
        if watch.silent_for >= self.timing.stale:
            return HolderState.DEAD
        return HolderState.ALIVE if watch.has_changed else HolderState.SILENT

    def _look(self, slide_id: str, number: int, version: str) -> _Watch:
        now = time.monotonic()
        watch = self._watched.get((slide_id, number))
        if watch is None or watch.version != version:
            watch = _Watch(version, now, has_changed=watch is not None)
        else:
            # Silence counts only while somebody listens: a disk that answers nobody for minutes
            # would otherwise make everyone seem dead.
            silent_for = watch.silent_for + min(now - watch.looked, 2 * self.timing.look)
            watch = replace(watch, looked=now, silent_for=silent_for)
        self._watched[slide_id, number] = watch
        return watch

    def _beat(self) -> None:
        """Give signs of life until the end."""
        while not self._end.wait(self.timing.beat):
            for claim in list(self._held.values()):
                self._give_sign(claim)

    def _give_sign(self, claim: Claim) -> None:
        with self._changing:
            if claim.slide_id not in self._held:
                return
            try:
                self.files.touch(claim.name, claim_record(claim.owner, is_released=False))
            except (OSError, OutputError) as error:
                log.debug("claim '%s': no sign of life given (%s)", claim.name, error)
