"""Segment one slide: from what was asked for to files under their final names."""

import logging
import shutil
import threading
import time
from contextlib import closing

from dfaseg.errors import ClaimLostError
from dfaseg.files import locked
from dfaseg.inference.job import prepare_job
from dfaseg.inference.outputs import OutputPaths
from dfaseg.inference.places import decoding_processes
from dfaseg.inference.report import PredictResult
from dfaseg.inference.slide_run import Guard, PredictRun, PreparedSlide, Progress
from dfaseg.inference.spec import PredictSpec
from dfaseg.inference.state import load_state
from dfaseg.limits import available_cores
from dfaseg.model.network import Network, load_network
from dfaseg.model.resolve import resolve_model
from dfaseg.slide import Slide, open_slide
from dfaseg.slide.identity import SAMPLE
from dfaseg.slide.sample import open_sample

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
    prepare_outputs(spec)
    network = load_network_of(spec)
    prepared = prepare_slide(network, spec)
    with closing(prepared.slide):
        return run_slide(
            prepared,
            network,
            spec,
            progress=progress,
            stop=stop or threading.Event(),
            started=started,
        )


def prepare_outputs(spec: PredictSpec) -> None:
    """Make sure that results can be written, before any work is done.

    Raises:
        OutputError: A folder is missing or not writable, or a result is there already.
    """
    paths = OutputPaths.beside(spec.out, spec.geojson)
    if paths.finish_publishing(overwrite=spec.overwrite):
        log.info("output '%s': finished by an earlier run, now in place", paths.mask)
    paths.check(overwrite=spec.overwrite)


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


def prepare_slide(network: Network, spec: PredictSpec) -> PreparedSlide:
    """Open a slide and look it over; nothing is written.

    Raises:
        SlideError: The slide cannot be used.
        ConfigError: A setting is impossible for this slide or model.
    """
    slide = open_any_slide(spec)
    try:
        return PreparedSlide(slide, prepare_job(slide, network, spec))
    except BaseException:
        slide.close()
        raise


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
    paths = OutputPaths.beside(spec.out, spec.geojson)
    with locked(paths.partial):
        try:
            run = PredictRun(prepared, network, spec, guard)
            if not run.restore():
                # A run that could be restored only in part is of no use.
                run = PredictRun(prepared, network, spec, guard)
                run.begin()
            run.go(progress, stop)
            result = run.report(started)
            guard()
        except ClaimLostError:
            raise  # the folder is another's now
        except BaseException:
            if load_state(paths.partial) is None:
                # Nothing to go on from: leave no trace.
                shutil.rmtree(paths.partial, ignore_errors=True)
            raise
        paths.publish()
    return result


def open_any_slide(spec: PredictSpec) -> Slide:
    """Open the slide, or the built-in one, and pass its warnings on.

    Raises:
        SlideError: It cannot be opened.
    """
    if spec.slide == SAMPLE:
        slide = open_sample(spec.mpp, spec.slide_id or SAMPLE)
    else:
        slide = open_slide(spec.slide, mpp=spec.mpp, slide_id=spec.slide_id)
    for warning in slide.info.warnings:
        log.warning("slide '%s': %s", slide.info.slide_id, warning)
    return slide
