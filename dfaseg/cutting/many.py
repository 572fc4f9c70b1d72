"""Many slides cut one after the other; one that fails does not stop the others."""

import csv
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from dfaseg.cutting.dataset_files import DatasetSummary, write_dataset
from dfaseg.cutting.folder import RECORD_ENDING
from dfaseg.cutting.labelling import find_labelling
from dfaseg.cutting.patches import Progress
from dfaseg.cutting.record import SlideRecord
from dfaseg.cutting.slide_run import tile_slide
from dfaseg.cutting.spec import TileSpec
from dfaseg.cutting.table import check_formats
from dfaseg.errors import DfasegError, OutputError, StoppedError
from dfaseg.files import explain, write_aside
from dfaseg.slide.inputs import SlideInput

log = logging.getLogger(__name__)

SUMMARY_FILE = "slides.csv"

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
    stop: threading.Event | None = None,
) -> TileResult:
    """Cut slides into tiles.

    Args:
        sources: The slides.
        spec: What to do.
        show: Gives each slide something to tell its progress to.
        stop: Set from elsewhere to stop at the end of the row of tiles under way.

    Raises:
        ConfigError: A format needs a package that is not installed, or slides make no data set
            together.
        AnnotationError: No annotations can be found or understood.
        ClassMapError: The class map says something impossible.
        OutputError: The folder cannot be written.
        StoppedError: ``stop`` was set; the same call goes on from there.
        DfasegError: There is one slide only, and it failed.
    """
    check_formats(spec.table, spec.hdf5)
    labelling = None
    if spec.labels is not None:
        labelling = find_labelling(spec.labels, sources)
        sources = [source for source in sources if source.id in labelling.files]
    _make_folder(spec.out)
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
            if len(sources) == 1:
                raise
            log.warning("slide '%s' failed: %s", source.id, error)
            failures[source.id] = str(error)
    dataset = None
    if spec.labels is not None and slides:
        dataset = write_dataset(spec, spec.labels, find_records(spec.out))
    return TileResult(tuple(slides), failures, write_summary(spec.out), dataset)


def write_summary(out: Path) -> Path:
    """Write one line per finished slide of a folder, those of earlier runs included.

    Raises:
        OutputError: It cannot be written.
    """
    path = out / SUMMARY_FILE
    with write_aside(path) as aside, aside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            ["slide", "group", "tiles", "unreadable", "unlabelled", "tissue_percent", "tissue_mm2"]
        )
        for slide in find_records(out):
            counts = [slide.num_tiles, slide.num_unreadable, slide.num_unlabelled]
            figures = [f"{slide.tissue_percent:.2f}", f"{slide.tissue_mm2:.4f}"]
            writer.writerow([slide.slide_id, slide.group or "", *counts, *figures])
    return path


def find_records(out: Path) -> list[SlideRecord]:
    """Return the records of all finished slides of a folder, by name.

    Raises:
        OutputError: One is damaged.
    """
    paths = (
        folder / f"{folder.name}{RECORD_ENDING}"
        for folder in sorted(out.iterdir())
        if not folder.name.startswith(".")
    )
    return [SlideRecord.read(path, is_new=False) for path in paths if path.is_file()]


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"output folder '{out}': cannot be made ({explain(error)})") from error
