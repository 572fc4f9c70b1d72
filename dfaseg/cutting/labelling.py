"""Which annotations belong to which slide, and what their names mean."""

import hashlib
import logging
import os
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfaseg.annotation import (
    ANNOTATION_SUFFIXES,
    Annotations,
    ClassRules,
    opened_annotations,
    read_annotations,
    read_class_rules,
    rules_from_names,
)
from dfaseg.cutting.spec import LabelSpec
from dfaseg.errors import AnnotationError, ClassMapError, ConfigError
from dfaseg.evaluation.mask_files import STORE_SUFFIX
from dfaseg.slide.inputs import SlideInput
from dfaseg.wording import counted

log = logging.getLogger(__name__)

PICTURE_ENDINGS = (".png", ".tif", ".tiff", ".bmp", STORE_SUFFIX)
"""Masks and pictures of class codes over a whole slide."""
_ENDINGS = (
    *(".geojson.gz", ".json.gz", ".xml.gz", ".ome.tif", ".ome.tiff"),
    *sorted(ANNOTATION_SUFFIXES - {".gz"}),
    *PICTURE_ENDINGS,
)
"""Of annotations; longer ones first."""
_MAX_NAMED = 3
"""Slides that a message names."""


@dataclass(frozen=True, slots=True)
class Labelling:
    """What labels slides.

    Attributes:
        files: Annotations of each slide, by its id.
        rules: What the names in all of them mean.
        only: Annotations of the only slide, where they had to be read for their names.
    """

    files: Mapping[str, Path]
    rules: ClassRules
    only: Annotations | None = None

    def read(self, slide_id: str) -> Annotations:
        """Read what is drawn on a slide.

        Raises:
            AnnotationError: The file cannot be read.
        """
        return self.only or read_annotations(self.files[slide_id])

    def recipe_of(self, slide_id: str) -> dict[str, Any]:
        """Return what decides the labels of a slide.

        Raises:
            AnnotationError: The file cannot be read.
        """
        rules = self.rules
        meaning = repr(
            (
                *(sorted(rules.indices.items()), sorted(rules.regions_of_interest), rules.order),
                *(rules.background, sorted(rules.codes.items())),
            )
        )
        return {
            "annotations": f"sha256:{_hash_content(self.files[slide_id])}",
            "meaning": hashlib.sha256(meaning.encode()).hexdigest()[:16],
            "classes": rules.class_map.to_records(),
        }


def find_labelling(spec: LabelSpec, sources: Sequence[SlideInput]) -> Labelling:
    """Find the annotations of slides and what their names mean.

    Slides without annotations are warned of, as are files that belong to no slide.

    Raises:
        ConfigError: One file is given for several slides, or there is nothing for any of them.
        AnnotationError: Two files are of one slide, one may be of several, or cannot be read.
        ClassMapError: The class map says something impossible, or there is none and there are too
            many names.
    """
    files = _find_files(spec.annotations, sources)
    if spec.class_map is not None:
        return Labelling(files, read_class_rules(spec.class_map))
    names: set[str] = set()
    annotations = None
    for path in files.values():
        annotations = _read_drawn(path)
        names |= set(annotations.polygons.names)
    if not names:
        raise AnnotationError(
            f"annotations '{spec.annotations}': nothing with an area is drawn; export them again"
        )
    try:
        rules = rules_from_names(names)
    except ClassMapError as error:
        raise ClassMapError(
            f"annotations '{spec.annotations}': the names in them make {error}; pass --class-map,"
            " which says what belongs to one class"
        ) from error
    log.info("classes: %s (from the annotations)", ", ".join(rules.class_map.names))
    return Labelling(files, rules, annotations if len(files) == 1 else None)


def is_picture(path: Path) -> bool:
    """Tell whether annotations are a picture of class codes."""
    return path.suffix.lower() in PICTURE_ENDINGS


def _find_files(path: Path, sources: Sequence[SlideInput]) -> dict[str, Path]:
    if path.is_dir() and not is_picture(path):
        return _match(path, sources)
    if not path.exists():
        raise AnnotationError(f"annotations '{path}': no such file or folder; check the path")
    if len(sources) > 1:
        raise ConfigError(
            f"--annotations '{path}': one file for {len(sources)} slides; give a folder in which"
            " each slide's file is named after it, or one slide"
        )
    return {sources[0].id: path}


def _match(folder: Path, sources: Sequence[SlideInput]) -> dict[str, Path]:
    """Give each slide the file of the folder that is named after it."""
    ids = _ids_of_names(sources)
    slides = {os.path.realpath(source.path) for source in sources}
    found: dict[str, Path] = {}
    strangers = []
    for path in sorted(folder.iterdir()):
        name = _stem(path)
        if name is None or path.name.startswith("."):
            continue
        if os.path.realpath(path) in slides:  # a TIFF, with its annotations beside it
            continue
        if name not in ids:
            strangers.append(path.name)
            continue
        slide_id = _only_id(path, name, ids[name])
        if slide_id in found:
            raise AnnotationError(
                f"annotations of slide '{slide_id}': both '{found[slide_id].name}' and"
                f" '{path.name}' in '{folder}' are named after it; leave one"
            )
        found[slide_id] = path
    _warn(folder, [source.id for source in sources if source.id not in found], strangers)
    if not found:
        raise ConfigError(
            f"--annotations '{folder}': no file in it is named after a slide; name it after the"
            f" slide, e.g. '{sources[0].id}.geojson'"
        )
    return found


def _ids_of_names(sources: Sequence[SlideInput]) -> dict[str, list[str]]:
    """Return the slides that each name of a file may mean: those of this id, or all so called."""
    by_file: dict[str, list[str]] = {}
    by_id: dict[str, list[str]] = {}
    for source in sources:
        by_file.setdefault(_composed(_file_name(source)), []).append(source.id)
        by_id.setdefault(_composed(source.id), []).append(source.id)
    return by_file | by_id


def _only_id(path: Path, name: str, ids: Sequence[str]) -> str:
    if len(ids) > 1:
        ending = _composed(path.name)[len(name) :]
        names = [f"'{slide_id}{ending}'" for slide_id in ids]
        raise AnnotationError(
            f"annotations '{path}': {len(ids)} slides are files called '{name}'; name it after the"
            f" id of its slide: {' or '.join(names[:_MAX_NAMED])}"
        )
    return ids[0]


def _warn(folder: Path, without: Sequence[str], strangers: Sequence[str]) -> None:
    if without:
        log.warning(
            "annotations '%s': nothing for %s, left out here; the first is '%s'",
            folder,
            counted(len(without), "slide"),
            without[0],
        )
    if strangers:
        log.warning(
            "annotations '%s': %s of no slide here; the first is '%s'",
            folder,
            counted(len(strangers), "file"),
            strangers[0],
        )


def _stem(path: Path) -> str | None:
    """Return a file's name without the ending of annotations; None for other files."""
    lower = path.name.lower()
    ending = next((one for one in _ENDINGS if lower.endswith(one)), None)
    is_whole = path.is_file() or ending == STORE_SUFFIX
    return _composed(path.name[: -len(ending)]) if ending and is_whole else None


def _composed(name: str) -> str:
    """Return a name with accents as part of their letters; files from a Mac have them apart."""
    return unicodedata.normalize("NFC", name)


def _file_name(source: SlideInput) -> str:
    # QuPath proposes the image's whole name, as in "slide.svs.geojson".
    return source.path.rpartition("/")[2]


def _read_drawn(path: Path) -> Annotations:
    """Read annotations for the names in them.

    Raises:
        ConfigError: They have none.
        AnnotationError: They cannot be read.
    """
    if is_picture(path):
        raise ConfigError(
            f"annotations '{path}': a picture has codes and no names; pass --class-map"
        )
    return read_annotations(path)


def _hash_content(path: Path) -> str:
    """Hash what a file says, which packing it anew does not change."""
    # What a mask store says of its making decides its content.
    with opened_annotations(path / "zarr.json" if path.is_dir() else path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
