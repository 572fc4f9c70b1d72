"""What comes before the network sees a slide: is it finished, is it free, what is to be read."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from dfaseg.inference.batch.claims import Claim, Claims, Held, HolderState
from dfaseg.inference.batch.finished import is_finished
from dfaseg.inference.batch.outcome import Outcome, SlideOutcome
from dfaseg.inference.batch.spec import BatchSpec
from dfaseg.inference.outputs import OutputPaths
from dfaseg.inference.pipeline import prepare_outputs, prepare_slide
from dfaseg.inference.slide_run import PreparedSlide, Progress
from dfaseg.inference.spec import PredictSpec
from dfaseg.model.network import Network
from dfaseg.slide.inputs import SlideInput

NEXT_AT = 0.8
"""Part of a slide after which the next is begun: early enough for the network not to wait, and not
so early that a slide waits long for a process that is busy while another is free."""


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


def begin_slide(
    slide: SlideInput, spec: BatchSpec, network: Network, claims: Claims, *, is_last: bool
) -> Beginning:
    """Skip a finished slide, leave one that is held, claim and open one that is free.

    Args:
        slide: Which.
        spec: What is done to all.
        network: The loaded network.
        claims: Who holds what.
        is_last: Whether all slides that are simply free are done. Only then one is taken from a
            process that has died: where a slide kills its process, the others come first.

    Raises:
        DfasegError: The slide cannot be done.
    """
    slide_spec = spec.spec_of(slide)
    paths = OutputPaths.beside(slide_spec.out)
    if is_finished(slide_spec, network) and not paths.is_left_over:
        return SlideOutcome(slide, Outcome.SKIPPED)
    claim = claims.take(slide.id, from_dead=is_last)
    if isinstance(claim, Held):
        is_elsewhere = is_last and claim.state is HolderState.ALIVE
        return SlideOutcome(slide, Outcome.ELSEWHERE, str(claim)) if is_elsewhere else None
    try:
        # Its last holder may have finished it between the two looks, or died while it gave the
        # files their names.
        paths.finish_publishing(overwrite=slide_spec.overwrite)
        if is_finished(slide_spec, network):
            with suppress(OSError):
                paths.partial.rmdir()  # only where it is empty
            claims.release(claim)
            return SlideOutcome(slide, Outcome.SKIPPED)
        prepare_outputs(slide_spec)
        return Begun(slide_spec, claim, prepare_slide(network, slide_spec))
    except BaseException:
        claims.release(claim)
        raise


@dataclass(slots=True)
class Ahead:
    """Begins the next slide in a thread of its own while the network is at the end of another.

    Args:
        begin: Begins a slide.
        claims: Where its claim is let go if it is not wanted after all.
    """

    begin: Callable[[SlideInput], Beginning]
    claims: Claims
    _thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="next-slide")
    )
    _begun: dict[str, Future[Beginning]] = field(default_factory=dict)

    def take(self, slide: SlideInput) -> Beginning:
        """Return how a slide has begun, or begin it now.

        Raises:
            DfasegError: The slide cannot be done.
        """
        future = self._begun.pop(slide.id, None)
        return self.begin(slide) if future is None else future.result()

    def during(self, progress: Progress, following: SlideInput | None) -> Progress:
        """Return a progress function that begins the following slide in good time."""

        def report(done: int, total: int) -> None:
            progress(done, total)
            if following and done >= NEXT_AT * total and following.id not in self._begun:
                self._begun[following.id] = self._thread.submit(self.begin, following)

        return report

    def close(self) -> None:
        """Let go of a slide that was begun and is not wanted any more."""
        self._thread.shutdown(cancel_futures=True)
        for future in self._begun.values():
            if future.cancelled() or future.exception():
                continue
            begun = future.result()
            if isinstance(begun, Begun):
                begun.prepared.slide.close()
                self.claims.release(begun.claim)
        self._begun.clear()
