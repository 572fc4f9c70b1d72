"""Predictions on disk scored against their truth."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dfaseg.annotation import ClassRules, read_class_rules
from dfaseg.classmap import ClassMap, comparable_name
from dfaseg.errors import EvaluationError
from dfaseg.evaluation.album import Album
from dfaseg.evaluation.align import Alignment, Frame, align
from dfaseg.evaluation.class_names import (
    ScoredClasses,
    check_ignored,
    choose_class_map,
    read_as,
)
from dfaseg.evaluation.drawn_truth import (
    Drawing,
    drawn_names,
    is_drawing_path,
    read_drawn_truth,
)
from dfaseg.evaluation.mask_files import (
    MaskFile,
    open_mask_file,
    overview_beside,
    stated_class_names,
)
from dfaseg.evaluation.pair_meter import MeasureSpec, PairMeter
from dfaseg.evaluation.pairs import Pair, Pairing, file_stem, find_pairs
from dfaseg.evaluation.results import CaseResult, EvalResult
from dfaseg.evaluation.stream import OnRows, OverlaidPair, scan
from dfaseg.evaluation.thumbnail import LONGEST_PX, ThumbnailMeter


@dataclass(frozen=True, slots=True)
class PredictionsSpec:
    """What is scored against what.

    Attributes:
        predictions: Masks, or folders of masks.
        truth: Mask or polygons, or a folder of them.
        class_map_path: TOML file with the classes; None where the files name them.
        ignored: Names of what the truth marks as not scored; of classes as well, which then have
            no scores of their own.
        tolerance_um: Distance up to which two outlines count as the same.
        object_class: Name of the class whose objects are counted one by one, if any.
        drawing: How polygons are read.
    """

    predictions: tuple[Path, ...]
    truth: Path
    class_map_path: Path | None = None
    ignored: tuple[str, ...] = ()
    tolerance_um: float = 5.0
    object_class: str | None = None
    drawing: Drawing = field(default_factory=Drawing)


@dataclass(frozen=True, slots=True)
class ScoredPair:
    """One pair, opened and laid over each other; valid while its files are open."""

    pair: Pair
    overlaid: OverlaidPair
    classes: ClassMap


def evaluate_predictions(
    spec: PredictionsSpec, *, progress: OnRows | None = None, album: Album | None = None
) -> EvalResult:
    """Score predictions pixel by pixel, at the full resolution of their truth.

    Polygons have none: they are filled on the pixels of the prediction.

    Args:
        spec: What is scored.
        progress: Told how far each pair is.
        album: Keeps small pictures of each pair, where some are to be shown.

    Raises:
        EvaluationError: Files are missing, do not fit each other, or do not name their classes.
        DfasegError: A file cannot be read.
    """
    given = None if spec.class_map_path is None else read_class_rules(spec.class_map_path)
    pairing = find_pairs(spec.predictions, spec.truth)
    _check_drawing(spec, pairing)
    check_ignored(spec.ignored, _class_names(given, pairing))
    classes = None if given is None else given.class_map
    cases: list[CaseResult] = []
    coverage: dict[str, Any] = {}
    resolutions: set[float | None] = set()
    for pair in pairing.pairs:
        with _opened(spec, pair, classes, given) as scored:
            classes = scored.classes
            case, coverage[pair.name] = _measure(scored, spec, progress, album)
            cases.append(case)
            resolutions.add(scored.overlaid.truth_frame.mean_mpp)
    assert classes is not None  # there is a pair
    facts = {
        "kind": "predictions",
        "pairs": coverage,
        "without_prediction": list(pairing.without_prediction),
    }
    if spec.object_class is not None:
        facts["object_class"] = spec.object_class
    mpp = resolutions.pop() if len(resolutions) == 1 else None
    unscored = ScoredClasses(classes, _ignored(spec)).unscored
    result = EvalResult(_title(spec), classes, mpp, tuple(cases), facts, unscored)
    if not result.confusion().any():
        raise EvaluationError(
            f"truth '{spec.truth}': no pixel has a class in both truth and prediction; they are of"
            " other slides, or --ignore leaves nothing"
        )
    return result


def _check_drawing(spec: PredictionsSpec, pairing: Pairing) -> None:
    """Refuse settings for polygons where there are none."""
    is_drawn = any(is_drawing_path(pair.truth) for pair in pairing.pairs)
    if spec.drawing != Drawing() and not is_drawn:
        raise EvaluationError(
            f"truth '{spec.truth}': holds masks and no polygons, which --background, --truth-origin"
            " and --level0-scale are for; leave them out"
        )


def _measure(
    scored: ScoredPair, spec: PredictionsSpec, on_rows: OnRows | None, album: Album | None
) -> tuple[CaseResult, dict[str, Any]]:
    """Go through a pair once; return its result, and how much of its truth was scored."""
    pair, classes = scored.pair, scored.classes
    index = None
    if spec.object_class is not None:
        index = ScoredClasses(classes, _ignored(spec)).find_scored("--objects", spec.object_class)
    measures = MeasureSpec(spec.tolerance_um, index)
    meter = PairMeter(scored.overlaid.truth_frame, len(classes), measures)
    thumbnail = ThumbnailMeter(scored.overlaid.truth_frame)
    scan(scored.overlaid, [meter, thumbnail], on_rows)
    if album is not None:
        overview = overview_beside(pair.prediction, LONGEST_PX)
        album.keep(pair.name, thumbnail, scored.overlaid, overview)
    left_out = meter.pixels.left_out
    return meter.finish(pair.name, pair.case), {
        "prediction": str(pair.prediction),
        "truth": str(pair.truth),
        "scored_px": int(meter.pixels.confusion.counts.sum()),
        "left_out_px": int(left_out.sum()),
        "left_out_by_class": dict(zip(classes.names, left_out.tolist(), strict=True)),
    }


@contextmanager
def _opened(
    spec: PredictionsSpec, pair: Pair, classes: ClassMap | None, given: ClassRules | None
) -> Iterator[ScoredPair]:
    """Open both files of a pair and lay them over each other."""
    with ExitStack() as stack:
        prediction = stack.enter_context(closing(open_mask_file(pair.prediction)))
        truth = None
        if not is_drawing_path(pair.truth):
            truth = stack.enter_context(closing(open_mask_file(pair.truth)))
            _check_same_slide(prediction, truth)
        classes = choose_class_map(classes, prediction, truth)
        scored, is_given = ScoredClasses(classes, _ignored(spec), given), given is not None
        mask = read_as(scored.in_prediction(), prediction, "prediction", is_given=is_given)
        if truth is None:
            drawn = read_drawn_truth(pair.truth, prediction, scored, spec.drawing)
            overlaid = OverlaidPair(drawn.labels, drawn.frame, mask, prediction.frame, Alignment())
        else:
            label = read_as(scored, truth, "truth", is_given=is_given)
            alignment = _align(pair, truth.frame, prediction.frame)
            # Of a pair of one size, either may know the resolution.
            frame = replace(truth.frame, mpp=truth.frame.mpp or prediction.frame.mpp)
            overlaid = OverlaidPair(label, frame, mask, prediction.frame, alignment)
        yield ScoredPair(pair, overlaid, classes)


def _ignored(spec: PredictionsSpec) -> frozenset[str]:
    return frozenset(map(comparable_name, spec.ignored))


def _class_names(given: ClassRules | None, pairing: Pairing) -> Iterator[str]:
    """Yield the names of all classes, those of files last: each has to be opened for them."""
    if given is not None:
        yield from given.class_map.names
        yield from given.indices
    for pair in pairing.pairs:
        for path in (pair.prediction, pair.truth):
            is_drawing = is_drawing_path(path)
            yield from drawn_names(path) if is_drawing else stated_class_names(path)


def _check_same_slide(prediction: MaskFile, truth: MaskFile) -> None:
    ids = prediction.slide_id, truth.slide_id
    if None not in ids and ids[0] != ids[1]:
        raise EvaluationError(
            f"prediction '{prediction.path}': is of slide '{ids[0]}', but its truth"
            f" '{truth.path}' of slide '{ids[1]}'; give the truth of the same slide"
        )


def _align(pair: Pair, truth: Frame, prediction: Frame) -> Alignment:
    try:
        return align(truth, prediction)
    except EvaluationError as error:
        raise EvaluationError(
            f"prediction '{pair.prediction}' and truth '{pair.truth}': {error}"
        ) from error


def _title(spec: PredictionsSpec) -> str:
    first = file_stem(spec.predictions[0])
    more = len(spec.predictions) - 1
    return f"{first} and {more} more" if more else first
