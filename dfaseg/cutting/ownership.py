"""What in the results' folder is our own and may be replaced; all else is left as it is."""

import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from dfaseg.cutting.class_file import CLASS_FILE, is_own_class_file
from dfaseg.cutting.coords_file import coords_name
from dfaseg.cutting.folder import SlideFolder, holds_slides
from dfaseg.cutting.manifest import MANIFEST_FILE, is_own_manifest, was_changed
from dfaseg.cutting.names import slide_of_file
from dfaseg.cutting.spec import TileSpec
from dfaseg.cutting.summary import SUMMARY_FILE, is_own_summary
from dfaseg.errors import ConfigError, OutputError, OutputExistsError
from dfaseg.files import explain

DATASET_FILES = (CLASS_FILE, MANIFEST_FILE)


def check_class_map(out: Path, class_map: Path) -> None:
    """Make sure that a user's class map is not what will be written.

    Raises:
        ConfigError: It is.
    """
    with suppress(OSError):
        if class_map.samefile(out / CLASS_FILE):
            raise ConfigError(
                f"--class-map '{class_map}': the classes of the data set are written to this very"
                " file; copy it to another place and pass the copy, or choose another --out"
            )


def check_common_files(out: Path, *, with_dataset: bool) -> None:
    """Make sure that the files which slides have in common replace none but our own.

    They are ours if they look like it and lie beside slides that we have cut.

    Raises:
        OutputExistsError: One may be somebody else's.
    """
    names = (SUMMARY_FILE, *(DATASET_FILES if with_dataset else ()))
    there = [path for path in (out / name for name in names) if os.path.lexists(path)]
    # Only now: another job puts a slide in place before it writes these files.
    is_beside_slides = holds_slides(out)
    for path in there:
        if not _is_as_written(path):
            raise OutputExistsError(
                f"output '{path}': was not written by dfaseg tile, or was changed since, and is"
                " not replaced; move it away or choose another --out"
            )
        if not is_beside_slides and not _is_empty(path):
            raise OutputExistsError(
                f"output '{path}': no slide that it tells of is in this folder, so that it may be"
                " yours and is not replaced; move it away or choose another --out"
            )


def check_shared_files(spec: TileSpec, slide_ids: Collection[str]) -> None:
    """Make sure that slides which are not there yet replace no files in shared folders.

    Raises:
        OutputError: A folder cannot be listed.
        OutputExistsError: A file is called like one of a slide that was never put in place.
    """
    for slide_id, path in _named_after(spec, slide_ids).items():
        if not SlideFolder(spec.out, slide_id).is_in_place:
            raise OutputExistsError(
                f"output '{path}': is called like a file of slide '{slide_id}', which dfaseg tile"
                " has not cut here, and is not replaced; move all such files away or choose"
                " another --out"
            )


def _named_after(spec: TileSpec, slide_ids: Collection[str]) -> dict[str, Path]:
    """Return a file in a shared folder for each slide after which one is named."""
    ids, found = set(slide_ids), dict[str, Path]()
    if spec.labels is not None:
        for folder in (spec.out / "images", spec.out / "masks"):
            for path in _files(folder):
                slide_id = slide_of_file(path.name)
                if slide_id in ids:
                    found.setdefault(slide_id, path)
    if spec.hdf5 != "none":
        for slide_id in ids:
            path = spec.out / "patches" / coords_name(slide_id, spec.hdf5)
            if os.path.lexists(path):
                found.setdefault(slide_id, path)
    return found


def _files(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise OutputError(f"output '{folder}': cannot be listed ({explain(error)})") from error


def looks_own(path: Path) -> bool:
    """Tell whether a file that slides have in common looks like one that we write."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            if path.name == CLASS_FILE:
                return is_own_class_file(file.read())
            is_own = is_own_summary if path.name == SUMMARY_FILE else is_own_manifest
            return is_own(file.readline())
    except (OSError, UnicodeDecodeError):
        return False


def _is_as_written(path: Path) -> bool:
    """Tell whether a file looks like ours and holds nothing that is somebody else's work."""
    with suppress(OSError):
        return looks_own(path) and not (path.name == MANIFEST_FILE and was_changed(path))
    return False


def _is_empty(path: Path) -> bool:
    """Tell whether a table has no line below its heading, as after a run in which all failed."""
    if path.name == CLASS_FILE:
        return False
    with path.open(encoding="utf-8") as file:
        return file.readline() != "" and file.readline() == ""
