"""Segment one slide: from what was asked for to files under their final names."""

import logging
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace

from dfaseg.errors import ConfigError
from dfaseg.inference.finished import finished_result
from dfaseg.inference.input_files import refuse_inputs
from dfaseg.inference.job import prepare_job, room_for_results
from dfaseg.inference.opening import open_any_slide
from dfaseg.inference.places import decoding_processes, start_hosts_ahead
from dfaseg.inference.report import PredictResult
from dfaseg.inference.slide_run import Guard, PredictRun, PreparedSlide, Progress
from dfaseg.inference.spec import PredictSpec
from dfaseg.inference.workshop import outputs_of, scratch_of, workshop_of
from dfaseg.limits import available_cores
from dfaseg.model.device import is_out_of_memory
from dfaseg.model.network import Network, load_network
from dfaseg.model.resolve import resolve_model
from dfaseg.slide.identity import identify
from dfaseg.slide.staging import IsWanted, stage_slide
from dfaseg.storage.scratch import Scratch
from dfaseg.tiler.unreadable import unreadable_words

log = logging.getLogger(__name__)


def predict_slide(
    spec: PredictSpec,
    *,
    progress: Progress = lambda _done, _all: None,
    stop: threading.Event | None = None,
) -> PredictResult:
    """Segment one slide and write all its results.

    Args:
        spec: What to do.
        progress: Told after each batch how far the run is.
        stop: Set from elsewhere to stop at the end of the row of tiles under way.

    Returns:
        Where the results lie, and the areas found.

    Raises:
        SlideError: The slide cannot be used.
        CheckpointError: The model cannot be used.
        ConfigError: A setting is impossible.
        OutputError: A result cannot be written, or is there already.
        StoppedError: ``stop`` was set; the same call goes on from there.
    """
    started = time.monotonic()
    stop = stop or threading.Event()
    with scratch_of(spec) as scratch:
        was_finished = prepare_outputs(spec)
        network = load_network_of(spec)
        if was_finished:
            result = finished_result(spec, network)
            if result is not None:
                if result.note:
                    log.warning("slide '%s': %s", result.slide_id, result.note)
                _warn_of_unreadable(result)
                return replace(result, seconds=time.monotonic() - started)
            prepare_outputs(spec)
        prepared = prepare_slide(network, spec, scratch, is_wanted=lambda: not stop.is_set())
        with closing(prepared):
            return run_slide(
                prepared,
                network,
                spec,
                progress=progress,
                stop=stop,
                started=started,
            )


def prepare_outputs(spec: PredictSpec) -> bool:
    """Make sure that results can be written, before any work is done.

    Returns:
        Whether an earlier run had finished them and was killed before they were in place, as they
        are now: it may be that nothing is left to do.

    Raises:
        OutputError: A folder is missing or not writable, or a result is there already, or what is
            to be read.
    """
    outputs = outputs_of(spec)
    refuse_inputs(spec, outputs)
    if outputs.finish_publishing(overwrite=spec.overwrite):
        log.info("output '%s': finished by an earlier run, now in place", outputs.mask)
        return True
    outputs.check(overwrite=spec.overwrite)
    return False


def load_network_of(spec: PredictSpec) -> Network:
    """Load the network that is asked for, for all cores of the job.

    Raises:
        CheckpointError: The model cannot be used.
        ConfigError: Device or precision are not to be had.
    """
    # They start while the network is loaded.
    decoding_processes(spec.device, spec.workers or available_cores())
    return load_network(
        resolve_model(spec.model),
        device=spec.device,
        precision=spec.precision,
        cores=available_cores(),
    )


def prepare_slide(
    network: Network,
    spec: PredictSpec,
    scratch: Scratch | None = None,
    *,
    is_wanted: IsWanted = lambda: True,
) -> PreparedSlide:
    """Open a slide and look it over, after it is copied to scratch where that is asked for.

    Args:
        network: Loaded network.
        spec: What to do.
        scratch: This process's scratch folder.
        is_wanted: Asked while the slide is copied.

    Raises:
        SlideError: The slide cannot be used.
        ConfigError: A setting is impossible for this slide or model.
        OutputError: The slide does not fit on scratch.
        StoppedError: The slide is not wanted any more.
    """
    copy = None
    if scratch is not None and spec.scratch is not None:
        copy = stage_slide(identify(spec.slide, slide_id=spec.slide_id), scratch, is_wanted)
    with ExitStack() as undo:
        if copy is not None:
            undo.callback(shutil.rmtree, copy.parent, ignore_errors=True)
        slide = undo.enter_context(closing(open_any_slide(spec, copy)))
        start_hosts_ahead(slide, network)
        job = prepare_job(slide, network, spec)
        if scratch is not None:
            scratch.check_room(room_for_results(job, network), f"slide '{slide.info.slide_id}'")
        undo.pop_all()
    return PreparedSlide(slide, job, workshop_of(spec, scratch), copy.parent if copy else None)


def run_slide(
    prepared: PreparedSlide,
    network: Network,
    spec: PredictSpec,
    *,
    progress: Progress,
    stop: threading.Event,
    started: float,
    guard: Guard = lambda: None,
) -> PredictResult:
    """Segment a prepared slide with a loaded network, after ``prepare_outputs``.

    Args:
        prepared: The slide; stays open.
        network: Loaded network.
        spec: What to do.
        progress: Told after each batch how far the run is.
        stop: Set from elsewhere to stop at the end of the row of tiles under way.
        started: ``time.monotonic()`` when work on this slide began.
        guard: Asked before anything is written that a later run builds on.

    Raises:
        DfasegError: As for ``predict_slide``.
    """
    workshop = prepared.workshop
    with workshop.held(), _memory_explained(network):
        workshop.fetch()
        run = PredictRun(prepared, network, spec, guard)
        state = run.saved_state()
        if state is None:
            run.begin()
        elif not run.restore(state):
            # A run that could be restored only in part is of no use.
            run = PredictRun(prepared, network, spec, guard)
            run.begin()
        run.go(progress, stop)
        result = run.report(started)
        guard()
        workshop.publish()
    _warn_of_unreadable(result)
    return result


@contextmanager
def _memory_explained(network: Network) -> Iterator[None]:
    """Turn a lack of memory beside the network, which explains its own, into a setting to change.

    Raises:
        ConfigError: Torch had none for the slide's rows, patches or band of logits.
    """
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise ConfigError(
            f"device '{network.device}': no memory left beside the network; use a smaller "
            "--batch-size, or a device that nobody else uses"
        ) from error


def _warn_of_unreadable(result: PredictResult) -> None:
    if result.num_unreadable:
        log.warning(
            "slide '%s': %s (255 in the mask, listed in %s); get the slide again and pass "
            "--overwrite",
            result.slide_id,
            unreadable_words(result.num_unreadable),
            result.places.record.name,
        )
