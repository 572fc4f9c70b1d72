"""Many slides through one network: none twice, none stopped by another's failure."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import replace
from pathlib import Path

from dfaseg.errors import ClaimLostError, ConfigError, DfasegError, StoppedError
from dfaseg.files import check_folder
from dfaseg.inference.batch.begin import (
    NEXT_AT,
    NEXT_STAGED_AT,
    Ahead,
    Beginner,
    Beginning,
    Begun,
)
from dfaseg.inference.batch.claims import Claims, Timing
from dfaseg.inference.batch.events import (
    DONE,
    EVENTS_FILE,
    FAILED,
    STARTED,
    STOPPED,
    EventLog,
    refuse_foreign_events,
)
from dfaseg.inference.batch.outcome import BatchReport, Outcome, SlideOutcome
from dfaseg.inference.batch.owners import Owner
from dfaseg.inference.batch.spec import BatchSpec
from dfaseg.inference.ownership import refuse_inside_zarr
from dfaseg.inference.pipeline import load_network_of, run_slide
from dfaseg.inference.slide_run import Progress
from dfaseg.inference.workshop import scratch_of
from dfaseg.model.device import own_device
from dfaseg.sharing.part import part_of
from dfaseg.sharing.shared_files import LoneFiles, SharedFiles
from dfaseg.slide.inputs import SlideInput
from dfaseg.slide.staging import IsWanted
from dfaseg.wording import counted

log = logging.getLogger(__name__)

Show = Callable[[SlideInput, int, int], AbstractContextManager[Progress]]
"""Shows one slide's progress while it runs, given its place among how many."""


def _show_nothing(_slide: SlideInput, _place: int, _count: int) -> AbstractContextManager[Progress]:
    return nullcontext(lambda _done, _all: None)


def predict_slides(
    spec: BatchSpec,
    *,
    show: Show = _show_nothing,
    stop: threading.Event | None = None,
    timing: Timing | None = None,
) -> BatchReport:
    """Segment many slides into one folder, which several processes may do together.

    Finished slides are skipped, interrupted ones go on where they were. Slides that another
    process holds are left to it, unless it has died.

    Args:
        spec: What to do.
        show: Shows the progress of each slide.
        stop: Set from elsewhere to stop at the end of the row of tiles under way.
        timing: How claims are kept up and watched.

    Returns:
        What became of each slide.

    Raises:
        CheckpointError: The model cannot be used.
        ConfigError: A setting is impossible.
        OutputError: The folder cannot be used.
        StoppedError: ``stop`` was set; the same call goes on from there.
        DfasegError: A slide failed and ``spec.on_error`` is ``fail``.
    """
    stop = stop or threading.Event()
    refuse_inside_zarr(spec.folder / EVENTS_FILE)
    if isinstance(spec.folder, Path) and spec.folder.exists():  # a missing one is made
        check_folder(spec.folder)
    refuse_foreign_events(spec.folder / EVENTS_FILE)
    with (
        scratch_of(spec.settings) as scratch,
        Claims(_claim_files(spec), timing or Timing()) as claims,
    ):
        slides = slides_of_share(spec)
        if not slides:
            return BatchReport(())
        device = own_device(spec.settings.device)
        network = load_network_of(replace(spec.settings, device=device))
        return _Batch(Beginner(spec, network, claims, scratch), show, stop).go(slides)


def _claim_files(spec: BatchSpec) -> SharedFiles:
    """Return where claims are made: nowhere, where a store has none and slides are divided.

    Raises:
        ConfigError: A store has none, and processes might do the same slide.
        OutputError: Nothing can be written there.
    """
    try:
        spec.claims.prepare()
    except ConfigError as error:
        if spec.share is None:
            raise
        log.warning("%s; each of them must be started once", error)
        return LoneFiles()
    return spec.claims


def slides_of_share(spec: BatchSpec, *, keep: bool = True) -> Sequence[SlideInput]:
    """Return the slides that this process is to do, in the order of the list.

    Args:
        spec: What is asked for.
        keep: Whether the areas that shares rest on are kept in the folder for other processes.

    Raises:
        OutputError: What processes must agree on cannot be read or written.
    """
    if spec.share is None:
        return spec.slides
    return part_of(spec.slides, spec.share, spec.hidden, keep=keep)


class _Batch:
    """One process's way through its slides."""

    def __init__(self, beginner: Beginner, show: Show, stop: threading.Event) -> None:
        self._beginner = beginner
        self._spec = spec = beginner.spec
        self._network = beginner.network
        self._claims = beginner.claims
        self._show = show
        self._stop = stop
        self._events = EventLog(spec.folder / EVENTS_FILE, Owner.of_this_process())
        next_at = NEXT_AT if spec.settings.scratch is None else NEXT_STAGED_AT
        self._ahead = Ahead(self._begin, self._claims, next_at)
        self._outcomes: dict[str, SlideOutcome] = {}
        self._count = 0
        self._is_last = False

    def go(self, slides: Sequence[SlideInput]) -> BatchReport:
        """Do all slides: first those that are free, then those whose holder turns out dead."""
        self._count = len(slides)
        try:
            waiting = self._pass(slides)
            self._is_last = True
            self._claims.forget()
            while waiting:
                left = self._pass(waiting)
                if len(left) == len(waiting):
                    self._stop.wait(self._claims.timing.look)
                waiting = left
        finally:
            self._ahead.close()
        return BatchReport(tuple(self._outcomes[slide.id] for slide in slides))

    def _pass(self, slides: Sequence[SlideInput]) -> list[SlideInput]:
        """Go through slides once; return those of which it is not known who does them."""
        waiting = []
        for slide, following in zip(slides, [*slides[1:], None], strict=True):
            self._check_stop()
            outcome = self._attempt(slide, following)
            if outcome is None:
                waiting.append(slide)
            else:
                self._outcomes[slide.id] = outcome
        return waiting

    def _begin(self, slide: SlideInput, is_wanted: IsWanted) -> Beginning:
        return self._beginner.begin(
            slide,
            is_last=self._is_last,
            is_wanted=lambda: is_wanted() and not self._stop.is_set(),
        )

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise StoppedError(
                f"stopped after {len(self._outcomes)} of {self._count} slides; run the same "
                "command again to go on"
            )

    def _attempt(self, slide: SlideInput, following: SlideInput | None) -> SlideOutcome | None:
        """Deal with one slide, whatever happens to it; None where somebody may hold it."""
        started = time.monotonic()
        try:
            begun = self._ahead.take(slide)
            return self._run(slide, begun, following) if isinstance(begun, Begun) else begun
        except StoppedError as error:
            self._note(STOPPED, slide, started, reason=str(error))
            raise
        except ClaimLostError as error:
            log.warning("%s", error)
            return None
        except Exception as error:
            reason = _reason(error)
            self._note(FAILED, slide, started, reason=reason)
            if self._spec.on_error == "fail":
                raise
            log.warning("%s", reason, exc_info=None if isinstance(error, DfasegError) else error)
            return SlideOutcome(slide, Outcome.FAILED, reason)

    def _run(self, slide: SlideInput, begun: Begun, following: SlideInput | None) -> SlideOutcome:
        """Segment a slide that this process holds, then let go of it."""
        started = time.monotonic()
        place = len(self._outcomes) + 1
        try:
            with (
                closing(begun.prepared),
                self._show(slide, place, self._count) as progress,
            ):
                self._events.add(STARTED, slide.id, path=slide.path)
                result = run_slide(
                    begun.prepared,
                    self._network,
                    begun.spec,
                    progress=self._ahead.during(progress, following),
                    stop=self._stop,
                    started=started,
                    guard=begun.claim.check,
                )
        finally:
            self._claims.release(begun.claim)
        self._note(
            DONE,
            slide,
            started,
            tiles=result.num_tiles,
            unreadable_tiles=result.num_unreadable,
            bytes=result.num_bytes,
            peak_memory_bytes=result.peak_memory_bytes,
        )
        patches = counted(result.num_tiles, "patch", "patches")
        log.info(
            "slide '%s': %s in %.1f s (%d of %d)",
            slide.id, patches, result.seconds, place, self._count,
        )  # fmt: skip
        return SlideOutcome(slide, Outcome.DONE, result.note, result.num_unreadable)

    def _note(self, event: str, slide: SlideInput, started: float, **facts: object) -> None:
        seconds = round(time.monotonic() - started, 3)
        self._events.add(event, slide.id, seconds=seconds, **facts)


def _reason(error: Exception) -> str:
    """Say in one line why a slide failed."""
    if isinstance(error, DfasegError):
        return str(error)
    if isinstance(error, MemoryError):
        return "no memory left; use a smaller --batch-size or fewer --workers"
    text = " ".join(str(error).split())
    return f"unexpected {type(error).__name__}: {text}; please report it"
