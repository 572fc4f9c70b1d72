"""Which truth belongs to which prediction."""

import logging
import unicodedata
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from dfaseg.annotation.geojson import is_own_geojson
from dfaseg.datasets.folder_table import SEPARATOR
from dfaseg.datasets.slide_table import SLIDE_SUFFIXES
from dfaseg.errors import EvaluationError
from dfaseg.evaluation.drawn_truth import is_drawing_path
from dfaseg.evaluation.mask_files import STORE_SUFFIX, is_mask_path, stated_slide_id
from dfaseg.evaluation.tiff_mask import is_colour_tiff

logger = logging.getLogger(__name__)

_SIDE_FILES = (".overlay.png", ".run.json")
"""Endings of what ``dfaseg predict`` writes beside a mask and that is no mask."""
_DOUBLE_SUFFIXES = (
    *(".geojson.gz", ".json.gz", ".xml.gz"),
    *(".ome.tif", ".ome.tiff", ".ome.zarr"),
)
_NAMES_SHOWN = 5
_HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Pair:
    """A prediction and its truth.

    Attributes:
        name: Id of the slide, by default the file's stem.
        prediction: Mask.
        truth: Mask or polygons.
    """

    name: str
    prediction: Path
    truth: Path

    @property
    def case(self) -> str:
        """What it was taken from: its name up to the last ``__``, or its name."""
        return self.name.rpartition(SEPARATOR)[0] or self.name


@dataclass(frozen=True, slots=True)
class Pairing:
    """All pairs, by name, and the names of truths that nothing was predicted for."""

    pairs: tuple[Pair, ...]
    without_prediction: tuple[str, ...]


def find_pairs(predictions: Sequence[Path], truth: Path) -> Pairing:
    """Match predictions with their truths, by the slide's id or the file's stem.

    A truth may also be named after the slide's whole file, as QuPath proposes (``s1.svs.geojson``)
    and ``dfaseg tile`` reads it. A single prediction goes with a single truth, whatever they are
    called.

    Args:
        predictions: Masks, or folders of masks.
        truth: Mask or polygons, or a folder of them.

    Raises:
        EvaluationError: A file is missing, an id comes twice, or a prediction has no truth.
    """
    masks = _by_id([mask for path in predictions for mask in _expand(path, is_mask_path)])
    if not _is_folder(truth):
        _check_exists(truth)
        if len(masks) > 1:
            raise EvaluationError(
                f"truth '{truth}': is one file for {len(masks)} predictions; give a folder that has"
                " one truth of the same name for each"
            )
        ((name, mask),) = masks.items()
        return Pairing((Pair(name, mask, truth),), ())
    found = _expand(truth, lambda path: is_mask_path(path) or is_drawing_path(path))
    wanted = {*masks, *(_composed(file_stem(mask)) for mask in masks.values())}
    truths = _by_id([path for path in found if not _is_beside_its_mask(path)], wanted)
    partners = {name: _partner(name, mask, truths) for name, mask in masks.items()}
    missing = [name for name, partner in partners.items() if partner is None]
    if missing:
        raise EvaluationError(
            f"truth '{truth}': has nothing for {_listed(missing)}; names must be those of the"
            " slides or of the predictions' files"
        )
    used = {partner: name for name, partner in partners.items() if partner is not None}
    if len(used) < len(partners):
        twice = next(one for one in partners.values() if list(partners.values()).count(one) > 1)
        raise EvaluationError(
            f"truth '{truth}': '{twice}' fits two predictions; name files after their slides"
        )
    extra = tuple(name for name in truths if name not in used)
    if extra:
        logger.warning("truth '%s': there is no prediction for %s", truth, _listed(extra))
    pairs = tuple(Pair(used[key], masks[used[key]], truths[key]) for key in used)
    return Pairing(pairs, extra)


def file_stem(path: Path) -> str:
    """Return a file's name without its ending, however many parts that has."""
    name = path.name
    for suffix in _DOUBLE_SUFFIXES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return path.stem


def _partner(name: str, mask: Path, truths: dict[str, Path]) -> str | None:
    return next((key for key in (name, _composed(file_stem(mask))) if key in truths), None)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and path.suffix.lower() != STORE_SUFFIX


def _check_exists(path: Path) -> None:
    if not path.exists():
        raise EvaluationError(f"'{path}': there is no such file or folder")


def _expand(path: Path, is_wanted: Callable[[Path], bool]) -> list[Path]:
    """Return a file as it is, and the fitting files of a folder, by name."""
    _check_exists(path)
    if not _is_folder(path):
        return [path]
    found = [
        one for one in sorted(path.iterdir())
        if is_wanted(one) and not one.name.startswith(".") and not one.name.endswith(_SIDE_FILES)
    ]  # fmt: skip
    if not found:
        raise EvaluationError(f"folder '{path}': holds no masks or annotations")
    return found


def _is_beside_its_mask(path: Path) -> bool:
    """Tell whether a file has the polygons of a mask beside it, as ``predict`` writes both."""
    if not is_drawing_path(path) or not path.with_name(file_stem(path) + STORE_SUFFIX).is_dir():
        return False
    with path.open("rb") as file:
        return is_own_geojson(file.read(_HEAD_BYTES))


def _by_id(paths: Iterable[Path], wanted: Collection[str] = ()) -> dict[str, Path]:
    """Return files by their slides' ids; the name of a slide's file stands for a wanted id."""
    found: dict[str, list[Path]] = {}
    for path in paths:
        name = _composed(stated_slide_id(path) or file_stem(path))
        slide = PurePath(name)
        if name not in wanted and slide.stem in wanted and slide.suffix.lower() in SLIDE_SUFFIXES:
            name = slide.stem
        found.setdefault(name, []).append(path)
    return {name: _only_one(name, of_slide) for name, of_slide in found.items()}


def _composed(name: str) -> str:
    """Return a name with accents as part of their letters; files from a Mac have them apart."""
    return unicodedata.normalize("NFC", name)


def _only_one(name: str, of_slide: Sequence[Path]) -> Path:
    """Return the file of a slide; the slide itself, which may lie beside it, is none."""
    if len(of_slide) == 1:
        return of_slide[0]
    masks = [path for path in of_slide if not is_colour_tiff(path)]
    if len(masks) == 1:
        return masks[0]
    one, other, *_ = masks or of_slide
    raise EvaluationError(f"slide '{name}': '{one}' and '{other}' are both of it; keep one of them")


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:_NAMES_SHOWN])
    more = len(names) - _NAMES_SHOWN
    return f"{shown} and {more} others" if more > 0 else shown
