"""One slide cut into tiles: the one place where the whole way from slide to files can be read."""

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.cutting.coords_file import coords_name, write_coords
from dfaseg.cutting.cut_state import CutState
from dfaseg.cutting.encoding import ENDINGS
from dfaseg.cutting.folder import SlideFolder
from dfaseg.cutting.grid_file import write_grid
from dfaseg.cutting.job import CutPlan, TileChoice, choose_tiles, plan_cutting
from dfaseg.cutting.labelling import Labelling
from dfaseg.cutting.pairs_file import PAIRS_ENDING, Pair, write_pairs
from dfaseg.cutting.patch_writer import PairWriter, PatchWriter, TileWriter
from dfaseg.cutting.patches import PatchCutter, Progress
from dfaseg.cutting.picture import draw_tiles
from dfaseg.cutting.places import TilePlaces, place_tiles
from dfaseg.cutting.record import UM2_PER_MM2, SlideRecord, make_record
from dfaseg.cutting.slide_files import RECORD_ENDING
from dfaseg.cutting.slide_label import CutLabel, read_cut_label
from dfaseg.cutting.spec import TileSpec
from dfaseg.cutting.table import write_table
from dfaseg.errors import MissingResolutionError, OutputError, OutputExistsError
from dfaseg.files import explain, locked, write_json
from dfaseg.slide import Slide, open_slide
from dfaseg.slide.identity import SAMPLE
from dfaseg.slide.inputs import SlideInput
from dfaseg.slide.origin import origin_of
from dfaseg.slide.sample import open_sample
from dfaseg.tiler.second_look import is_repaired

log = logging.getLogger(__name__)

MIN_WARNED_MM2 = 0.01
"""Less than this beside the tissue is the width of a pen."""


def tile_slide(
    source: SlideInput,
    spec: TileSpec,
    labelling: Labelling | None = None,
    *,
    progress: Progress = lambda _done, _all: None,
    stop: threading.Event | None = None,
) -> SlideRecord:
    """Cut one slide into tiles and write all its files; nothing is done where they are there.

    Args:
        source: The slide.
        spec: What to do.
        labelling: Annotations of this slide among others; None makes no labels.
        progress: Told how many patches are written.
        stop: Set from elsewhere to stop at the end of the row of tiles under way.

    Raises:
        SlideError: The slide cannot be used.
        ConfigError: A setting is impossible for it.
        AnnotationError: Its annotations cannot be used.
        OutputError: A result cannot be written, or is there and was cut with other settings.
        StoppedError: ``stop`` was set; the same call goes on from there.
    """
    folder = SlideFolder(spec.out, source.id)
    folder.finish_publishing()
    with closing(_open(source, spec)) as slide:
        labels = None if labelling is None else labelling.recipe_of(source.id)
        cut = plan_cutting(slide.info, source.id, spec, source.tissue or spec.tissue, labels)
        if folder.check(cut.recipe, overwrite=spec.overwrite):
            finished = SlideRecord.read(folder.record, is_new=False)
            if not _is_outdated(finished, slide, cut):
                return _regrouped(finished, source)
            if not spec.overwrite:
                raise OutputExistsError(
                    f"output '{folder.final}': cut when tiles of the slide could not be decoded,"
                    " which can be now; pass --overwrite to cut it again"
                )
        with locked(folder.partial):
            try:
                run = SlideRun(slide, source, cut, spec, folder)
                run.go(labelling, progress, stop or threading.Event())
            except BaseException:
                if not folder.has_state:
                    folder.discard()
                raise
            folder.publish()
    return SlideRecord.read(folder.record, is_new=True)


def _is_outdated(finished: SlideRecord, slide: Slide, cut: CutPlan) -> bool:
    """Tell whether a slide was repaired since it was cut."""
    failed = finished.content["unreadable_native_tiles"]
    return is_repaired(slide, cut.plan, [(tile["column"], tile["row"]) for tile in failed])


def _regrouped(finished: SlideRecord, source: SlideInput) -> SlideRecord:
    """Note the patient of a finished slide where a list says another one, or the first one, now.

    Nothing is cut by it, and slides of one patient would lie in training and test.

    Raises:
        OutputError: The record cannot be written.
    """
    if source.group in {None, finished.group}:
        return finished
    write_json(finished.path, {**finished.content, "group": source.group})
    return SlideRecord.read(finished.path, is_new=False)


def _open(source: SlideInput, spec: TileSpec) -> Slide:
    """Open a slide and pass its warnings on.

    Raises:
        SlideError: It cannot be opened.
    """
    mpp, is_sample = source.mpp or spec.slide_mpp, source.path == SAMPLE
    try:
        slide = (
            open_sample(mpp, source.id)
            if is_sample
            else open_slide(source.path, mpp=mpp, slide_id=source.id)
        )
    except MissingResolutionError as error:
        # Here --mpp says what the patches are to have.
        problem = error.problem.replace("--mpp", "--slide-mpp")
        raise MissingResolutionError(error.slide_id, problem) from error
    for warning in slide.info.warnings:
        log.warning("slide '%s': %s", source.id, warning.replace("--mpp", "--slide-mpp"))
    return slide


class SlideRun:
    """The cutting of one slide that is not finished yet.

    Args:
        slide: Open slide; stays open.
        source: What the user said about it.
        cut: How it is cut.
        spec: What the user asked for.
        folder: Where its files go.
    """

    def __init__(
        self, slide: Slide, source: SlideInput, cut: CutPlan, spec: TileSpec, folder: SlideFolder
    ) -> None:
        self._slide = slide
        self._source = source
        self._cut = cut
        self._spec = spec
        self._folder = folder
        self._started = time.monotonic()

    def go(self, labelling: Labelling | None, progress: Progress, stop: threading.Event) -> None:
        """Make all files of the slide in the hidden folder."""
        saved = self._folder.begin(self._cut.recipe)
        choice, labels = self._choose(labelling)
        state = CutState() if saved is None else CutState.from_record(saved)
        if is_repaired(self._slide, self._cut.plan, list(state.unreadable)):
            log.warning(
                "slide '%s': tiles that could not be decoded before can be now; starting anew",
                self._source.id,
            )
            state = CutState()
        if self._spec.save != "none":
            label = None if labels is None else labels.label
            state = self._cut_patches(choice, label, state, progress, stop)
        kept = _kept(choice.selected, state)
        places = place_tiles(self._cut, kept, choice.shares)
        try:
            files = self._write_files(places, choice, labels)
            if labels is not None:
                files += self._write_pairs(places, state)
        except OSError as error:
            raise OutputError(
                f"output '{self._folder.final}': cannot be written ({explain(error)})"
            ) from error
        record = make_record(self._slide.info, self._source, self._cut, choice, state, kept)
        record |= {"files": files, "seconds": round(time.monotonic() - self._started, 3)}
        write_json(self._folder.made / f"{self._source.id}{RECORD_ENDING}", record)

    def _choose(self, labelling: Labelling | None) -> tuple[TileChoice, "_SlideLabels | None"]:
        """Choose the tiles with tissue and, where labels are made, with labels."""
        info, cut, spec = self._slide.info, self._cut, self._spec
        label = None
        if labelling is not None:
            origin = origin_of(info, spec.origin)
            label = read_cut_label(labelling, self._source.id, info, cut.plan, origin)
        choice = choose_tiles(self._slide, cut, spec, self._source.tissue or spec.tissue)
        if choice.survey.tissue.is_empty:
            log.warning("slide '%s': %s", self._source.id, choice.survey.tissue.note)
        if label is None:
            return choice, None
        labels = _SlideLabels(label, label.over(choice.survey.plan))
        _warn_of_labels_on_glass(self._source.id, labels, choice)
        return choice.limited_to(label.touched_tiles(cut.grid)), labels

    def _cut_patches(
        self,
        choice: TileChoice,
        label: CutLabel | None,
        state: CutState,
        progress: Progress,
        stop: threading.Event,
    ) -> CutState:
        cutter = PatchCutter(self._slide, self._cut, self._writer(label))
        return cutter.run(choice.selected, state, self._save_state, progress, stop)

    def _writer(self, label: CutLabel | None) -> TileWriter:
        """Return what is made of each patch; its folders are there."""
        slide_id, plan, save = self._cut.slide_id, self._cut.plan, self._spec.save
        if label is None:
            images = self._folder.made / "patches"
            images.mkdir(exist_ok=True)
            return PatchWriter(slide_id, plan, save, images)
        patches = PatchWriter(slide_id, plan, save, self._folder.shared("images"))
        return PairWriter(patches, self._folder.shared("masks"), label.label, label.num_classes)

    def _save_state(self, state: CutState) -> None:
        self._folder.save_state(state.to_record())

    def _write_files(
        self, places: TilePlaces, choice: TileChoice, labels: "_SlideLabels | None"
    ) -> list[str]:
        """Write all but the patches; return the names of files in folders that slides share."""
        spec, info, slide_id = self._spec, self._slide.info, self._source.id
        made = self._folder.made
        shown = None if labels is None else (labels.overview, labels.label.rules.class_map)
        # Most of the picture is drawn and encoded without Python's lock.
        with ThreadPoolExecutor(1, thread_name_prefix="picture") as aside:
            picture = made / f"{slide_id}.tiles.png"
            drawing = aside.submit(draw_tiles, picture, places, choice.survey, self._cut, shown)
            write_table(made / f"{slide_id}.tiles.{spec.table}", places, spec.table)
            write_grid(
                made / f"{slide_id}.tiles.geojson",
                places,
                fingerprint=info.fingerprint,
                origin=origin_of(info, spec.origin),
            )
            drawing.result()
        if spec.hdf5 == "none":
            return []
        name = coords_name(slide_id, spec.hdf5)
        path = self._folder.shared("patches") / name
        write_coords(path, places, info, self._cut, spec.hdf5, spec.out / "patches")
        return [f"patches/{name}"]

    def _write_pairs(self, places: TilePlaces, state: CutState) -> list[str]:
        """Note down the pairs; return the names of their files."""
        ending = ENDINGS[self._spec.save]
        written = [tile for tile in state.tiles if tile.fate == "written"]
        pairs = [
            Pair(self._source.id, name + ending, x, y, tile.class_pixels)
            for tile, name, x, y in zip(
                written, places.names, places.x.tolist(), places.y.tolist(), strict=True
            )
        ]
        write_pairs(self._folder.made / f"{self._source.id}{PAIRS_ENDING}", pairs)
        images = [f"images/{pair.file_name}" for pair in pairs]
        return images + [f"masks/{pair.name}.png" for pair in pairs]


def _kept(selected: NDArray[np.bool_], state: CutState) -> NDArray[np.bool_]:
    """Return the selected tiles without those that could not be written."""
    kept = selected.copy()
    for tile in state.tiles:
        kept[tile.row, tile.col] = tile.fate == "written"
    return kept


@dataclass(frozen=True, slots=True, eq=False)
class _SlideLabels:
    """What is labelled on a slide, and the same on its overview's pixels, ``(h, w)``."""

    label: CutLabel
    overview: NDArray[np.uint8]


def _warn_of_labels_on_glass(slide_id: str, labels: _SlideLabels, choice: TileChoice) -> None:
    """Say how much is labelled where nothing is cut; nothing is left out in silence."""
    if labels.label.boxes is None:
        return
    survey = choice.survey
    lost = int(((labels.overview != IGNORE_INDEX) & ~survey.tissue.mask).sum())
    mm2 = lost * survey.plan.mpp**2 / UM2_PER_MM2
    if mm2 >= MIN_WARNED_MM2:
        log.warning(
            "slide '%s': %.2f mm² are labelled where no tissue was found, and are cut only as far"
            " as tiles with tissue reach; pass --tissue none to cut all that is labelled",
            slide_id,
            mm2,
        )
