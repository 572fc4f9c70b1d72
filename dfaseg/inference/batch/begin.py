"""What comes before the network sees a slide: is it finished, is it free, what is to be read."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from dfaseg.errors import OutputError
from dfaseg.inference.batch.claims import Claim, Claims, Held, HolderState
from dfaseg.inference.batch.outcome import Outcome, SlideOutcome
from dfaseg.inference.batch.spec import BatchSpec
from dfaseg.inference.finished import Finished, find_finished
from dfaseg.inference.pipeline import prepare_outputs, prepare_slide
from dfaseg.inference.slide_run import PreparedSlide, Progress
from dfaseg.inference.spec import PredictSpec
from dfaseg.inference.workshop import outputs_of
from dfaseg.model.network import Network
from dfaseg.slide.inputs import SlideInput
from dfaseg.slide.staging import IsWanted
from dfaseg.storage.scratch import Scratch

NEXT_AT = 0.8
"""Part of a slide after which the next is begun: early enough for the network not to wait, and not
so early that a slide waits long for a process that is busy while another is free."""
NEXT_STAGED_AT = 0.0
"""The same where slides are copied first, which may take as long as the slide under way."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A slide that this process holds, open and planned.

    Attributes:
        spec: What is to be done to it.
        claim: Says to other processes that it is held here.
        prepared: The open slide.
    """

    spec: PredictSpec
    claim: Claim
    prepared: PreparedSlide


Beginning = Begun | SlideOutcome | None
"""What became of a slide so far; None where another process holds it that may be alive or not."""


@dataclass(frozen=True, slots=True)
class Beginner:
    """Begins slides.

    Attributes:
        spec: What is done to all.
        network: The loaded network.
        claims: Who holds what.
        scratch: This process's scratch folder, where there is one.
    """

    spec: BatchSpec
    network: Network
    claims: Claims
    scratch: Scratch | None

    def begin(self, slide: SlideInput, *, is_last: bool, is_wanted: IsWanted) -> Beginning:
        """Skip a finished slide, leave one that is held, claim and open one that is free.

        Args:
            slide: Which.
            is_last: Whether all slides that are simply free are done. Only then one is taken from
                a process that has died: where a slide kills its process, the others come first.
            is_wanted: Asked while the slide is copied to scratch.

        Raises:
            DfasegError: The slide cannot be done.
        """
        spec = self.spec.spec_of(slide)
        finished = find_finished(spec, self.network)
        if finished and not outputs_of(spec).is_left_over:
            return _skipped(slide, finished)
        claim = self.claims.take(slide.id, from_dead=is_last)
        if isinstance(claim, Held):
            is_elsewhere = is_last and claim.state is HolderState.ALIVE
            return SlideOutcome(slide, Outcome.ELSEWHERE, str(claim)) if is_elsewhere else None
        try:
            begun = self._begin_held(slide, spec, claim, is_wanted)
        except BaseException:
            self.claims.release(claim)
            raise
        if isinstance(begun, SlideOutcome):
            self.claims.release(claim)
        return begun

    def _begin_held(
        self, slide: SlideInput, spec: PredictSpec, claim: Claim, is_wanted: IsWanted
    ) -> Begun | SlideOutcome:
        """Look once more whether a slide is finished, and open it.

        Its last holder may have finished it between the two looks, or died while it gave the files
        their names.

        Raises:
            DfasegError: The slide cannot be done.
        """
        outputs = outputs_of(spec)
        outputs.finish_publishing(overwrite=spec.overwrite)
        finished = find_finished(spec, self.network)
        if finished:
            outputs.tidy()
            return _skipped(slide, finished)
        prepare_outputs(spec)
        prepared = prepare_slide(self.network, spec, self.scratch, is_wanted=is_wanted)
        return Begun(spec, claim, prepared)


def _skipped(slide: SlideInput, finished: Finished) -> SlideOutcome:
    return SlideOutcome(slide, Outcome.SKIPPED, num_unreadable=len(finished.unreadable))


@dataclass(slots=True)
class Ahead:
    """Begins the next slide in a thread of its own while the network works on another.

    Args:
        begin: Begins a slide; is given whether it is still wanted, to be asked now and then.
        claims: Where its claim is let go if it is not wanted after all.
        begins_at: Part of a slide after which the next is begun.
    """

    begin: Callable[[SlideInput, IsWanted], Beginning]
    claims: Claims
    begins_at: float = NEXT_AT
    _thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="next-slide")
    )
    _begun: dict[str, Future[Beginning]] = field(default_factory=dict)
    _end: threading.Event = field(default_factory=threading.Event)

    def take(self, slide: SlideInput) -> Beginning:
        """Return how a slide has begun, or begin it now.

        Raises:
            DfasegError: The slide cannot be done.
        """
        future = self._begun.pop(slide.id, None)
        if future is not None:
            try:
                return future.result()
            except OutputError:
                # What does not fit on scratch beside another slide may fit now.
                if self.begins_at == NEXT_AT:
                    raise
        return self.begin(slide, self._is_wanted)

    def during(self, progress: Progress, following: SlideInput | None) -> Progress:
        """Return a progress function that begins the following slide in good time."""

        def report(done: int, total: int) -> None:
            progress(done, total)
            is_time = done >= self.begins_at * total
            if following and is_time and following.id not in self._begun:
                self._begun[following.id] = self._thread.submit(
                    self.begin, following, self._is_wanted
                )

        return report

    def close(self) -> None:
        """Let go of a slide that was begun and is not wanted any more."""
        self._end.set()
        self._thread.shutdown(cancel_futures=True)
        for future in self._begun.values():
            if future.cancelled() or future.exception():
                continue
            begun = future.result()
            if isinstance(begun, Begun):
                begun.prepared.close()
                self.claims.release(begun.claim)
        self._begun.clear()

    def _is_wanted(self) -> bool:
        return not self._end.is_set()
