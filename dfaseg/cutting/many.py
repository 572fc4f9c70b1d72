"""Many slides cut one after the other; one that fails does not stop the others."""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from dfaseg.cutting.dataset_files import (
    DatasetSummary,
    drop_unlabelled,
    withdraw_dataset,
    write_dataset,
)
from dfaseg.cutting.fitting import check_fit
from dfaseg.cutting.folder import finished_records
from dfaseg.cutting.labelling import Labelling, find_labelling
from dfaseg.cutting.ownership import check_class_map, check_common_files, check_shared_files
from dfaseg.cutting.patches import Progress
from dfaseg.cutting.record import SlideRecord, read_finished
from dfaseg.cutting.slide_run import tile_slide
from dfaseg.cutting.spec import LabelSpec, TileSpec
from dfaseg.cutting.summary import SUMMARY_FILE, write_summary
from dfaseg.cutting.table import check_formats
from dfaseg.errors import ConfigError, DfasegError, OutputError, SlideError, StoppedError
from dfaseg.files import explain
from dfaseg.sharing.part import HIDDEN_FOLDER, part_of
from dfaseg.sharing.shared_files import shared_files
from dfaseg.sharing.shares import Share
from dfaseg.slide.inputs import SlideInput

log = logging.getLogger(__name__)

ShowProgress = Callable[[str], AbstractContextManager[Progress]]
"""From a slide's name to what is told how far its cutting is."""


@dataclass(frozen=True, slots=True)
class TileResult:
    """What became of all slides.

    Attributes:
        slides: Those that are cut, in the order in which they were named.
        failures: Reason of each slide that could not be cut, by id.
        summary: Table of all slides in the folder.
        dataset: What there is to train on; None where no labels are made.
    """

    slides: tuple[SlideRecord, ...]
    failures: dict[str, str]
    summary: Path
    dataset: DatasetSummary | None = None


def tile_slides(
    sources: Sequence[SlideInput],
    spec: TileSpec,
    *,
    show: ShowProgress,
    share: Share | None = None,
    stop: threading.Event | None = None,
) -> TileResult:
    """Cut slides into tiles.

    Jobs that do different shares of the same slides may run side by side: what a folder's slides
    have in common is written by each job for all that are finished, so that the last one to end
    leaves it complete.

    Args:
        sources: The slides, those of other shares included.
        spec: What to do.
        show: Gives each slide something to tell its progress to.
        share: Which of the slides are done here; None for all.
        stop: Set from elsewhere to stop at the end of the row of tiles under way.

    Raises:
        ConfigError: A format needs a package that is not installed, or slides make no data set
            together.
        AnnotationError: No annotations can be found or understood.
        ClassMapError: The class map says something impossible.
        OutputError: The folder cannot be written, or holds files of the same names that are not
            ours.
        StoppedError: ``stop`` was set; the same call goes on from there.
        DfasegError: There is one slide only, and it failed.
    """
    check_formats(spec.table, spec.hdf5)
    labelling = None
    if spec.labels is not None:
        labelling, sources = _find_labelling(spec, spec.labels, sources)
    _prepare_folder(spec, sources, with_dataset=labelling is not None)
    is_only = len(sources) == 1
    if share is not None:
        hidden = shared_files(spec.out / HIDDEN_FOLDER)
        hidden.prepare()
        sources = part_of(sources, share, hidden)
    stop = stop or threading.Event()
    slides: list[SlideRecord] = []
    failures: dict[str, str] = {}
    for source in sources:
        if stop.is_set():
            raise StoppedError(
                f"stopped after {len(slides) + len(failures)} of {len(sources)} slides; run the"
                " same command again to go on"
            )
        try:
            with show(source.id) as progress:
                slides.append(tile_slide(source, spec, labelling, progress=progress, stop=stop))
        except StoppedError:
            raise
        except DfasegError as error:
            if is_only:
                raise
            reason = error.problem if isinstance(error, SlideError) else error
            log.warning("slide '%s' failed: %s", source.id, reason)
            failures[source.id] = str(error)
    is_part = share is not None
    summary, dataset = _write_common(spec, spec.labels if slides else None, is_part=is_part)
    return TileResult(tuple(slides), failures, summary, dataset)


def _find_labelling(
    spec: TileSpec, labels: LabelSpec, sources: Sequence[SlideInput]
) -> tuple[Labelling, list[SlideInput]]:
    """Find what labels slides; return it and those slides that it labels.

    Raises:
        ConfigError: They make no data set with the finished slides of the folder.
    """
    if labels.class_map is not None:
        check_class_map(spec.out, labels.class_map)
    labelling = find_labelling(labels, sources)
    sources = [source for source in sources if source.id in labelling.files]
    finished = read_finished(path for path, _ in finished_records(spec.out))
    check_fit(spec, labels, labelling, sources, finished)
    return labelling, sources


def _write_common(
    spec: TileSpec, labels: LabelSpec | None, *, is_part: bool
) -> tuple[Path, DatasetSummary | None]:
    """Write what the finished slides of a folder have in common.

    Again where another job has finished one meanwhile, so that none is missing in the end,
    whichever job writes last.

    Args:
        spec: What to do.
        labels: How a data set is made of them; None makes none.
        is_part: Whether other jobs do other slides, and may not have replaced them yet.

    Raises:
        ConfigError: They make no data set together.
        OutputError: A file cannot be read or written, or is not ours.
    """
    dataset = None
    # Somebody may have put a file there in the hours since it was looked for.
    check_common_files(spec.out, with_dataset=labels is not None)
    written, finished = None, finished_records(spec.out)
    while written != finished:
        slides = read_finished(path for path, _ in finished)
        if labels is not None:
            dataset = _write_dataset(spec, labels, slides, is_part=is_part)
        else:
            drop_unlabelled(spec.out, slides)
        write_summary(spec.out / SUMMARY_FILE, slides)
        written, finished = finished, finished_records(spec.out)
    return spec.out / SUMMARY_FILE, dataset


def _write_dataset(
    spec: TileSpec, labels: LabelSpec, slides: Sequence[SlideRecord], *, is_part: bool
) -> DatasetSummary | None:
    """Write the files of a data set; leave that to another job where slides are still to come."""
    try:
        return write_dataset(spec, labels, slides)
    except ConfigError as error:
        if not is_part:
            raise
        log.warning("%s; no data set is there until all parts are done", error)
        return None


def _prepare_folder(spec: TileSpec, sources: Sequence[SlideInput], *, with_dataset: bool) -> None:
    """Make the folder, and see to it that what will be replaced in it is ours.

    Raises:
        OutputError: It cannot be made, or something is not.
    """
    check_common_files(spec.out, with_dataset=with_dataset)
    check_shared_files(spec, [source.id for source in sources])
    try:
        spec.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"output folder '{spec.out}': cannot be made ({explain(error)})"
        ) from error
    if spec.overwrite and with_dataset:
        withdraw_dataset(spec.out)
