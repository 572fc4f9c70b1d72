"""What a run over many slides would do, without doing it."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from dfaseg.errors import DfasegError, OutputExistsError
from dfaseg.inference.batch.claims import Claims, HolderState
from dfaseg.inference.batch.events import EVENTS_FILE
from dfaseg.inference.batch.run import slides_of_share
from dfaseg.inference.batch.spec import BatchSpec
from dfaseg.inference.finished import any_finished, find_finished
from dfaseg.inference.input_files import refuse_inputs
from dfaseg.inference.job import recipe_of
from dfaseg.inference.opening import open_any_slide
from dfaseg.inference.ownership import refuse_inside_zarr
from dfaseg.inference.pipeline import load_network_of
from dfaseg.inference.spec import PredictSpec
from dfaseg.inference.workshop import outputs_of
from dfaseg.model.network import Network
from dfaseg.slide.inputs import SlideInput
from dfaseg.tiler.unreadable import unreadable_words


@dataclass(frozen=True, slots=True)
class Forecast:
    """What would become of one slide.

    Attributes:
        slide: Which.
        word: ``run``, ``go on``, ``replace``, ``skip``, ``in work``, ``refuse`` or ``fail``.
        detail: Its size, its holder, or why it would fail.
    """

    slide: SlideInput
    word: str
    detail: str = ""


def forecast_slides(spec: BatchSpec) -> Iterator[Forecast]:
    """Open the slides of this process and say what would be done with each; nothing is written.

    Raises:
        CheckpointError: The model cannot be used.
        ConfigError: A setting is impossible.
        OutputError: The folder cannot be used.
    """
    refuse_inside_zarr(spec.folder / EVENTS_FILE)
    slides = slides_of_share(spec, keep=False)
    if not slides:
        return
    network, claims = load_network_of(spec.settings), Claims(spec.claims)
    for slide in slides:
        try:
            yield _forecast(slide, spec.spec_of(slide), network, claims)
        except OutputExistsError as error:
            yield Forecast(slide, "refuse", str(error))
        except DfasegError as error:
            yield Forecast(slide, "fail", str(error))


def _forecast(slide: SlideInput, spec: PredictSpec, network: Network, claims: Claims) -> Forecast:
    """Say what would be done with a slide.

    Raises:
        DfasegError: It would fail.
    """
    finished = find_finished(spec, network)
    if finished:
        gaps = f"; {unreadable_words(len(finished.unreadable))}" if finished.unreadable else ""
        return Forecast(slide, "skip", f"finished{gaps}")
    held = claims.holder(slide.id)
    if held and held.state is not HolderState.DEAD:
        return Forecast(slide, "in work", str(held))
    outputs = outputs_of(spec)
    is_replaced = any_finished(outputs) is not None
    refuse_inputs(spec, outputs)
    outputs.refuse_taken(overwrite=spec.overwrite)
    with closing(open_any_slide(spec)) as opened:
        recipe_of(opened.info, network, spec)  # finds settings that do not fit the slide
        level = opened.info.levels[0]
    detail = f"{level.width * level.height / 1e6:.1f} megapixels"
    if outputs.has_state:
        return Forecast(slide, "go on", detail)
    return Forecast(slide, "replace" if is_replaced else "run", detail)
