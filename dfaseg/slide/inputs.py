"""Which slides a command is to work on: files, folders, patterns, lists, URLs."""

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from types import MappingProxyType

from dfaseg.errors import ConfigError, SlideError
from dfaseg.slide.identity import SAMPLE, identify
from dfaseg.slide.input_lists import ListedSlide, read_slide_list, read_slide_table

SLIDE_ENDINGS = frozenset(
    {".svs", ".tif", ".tiff", ".btf", ".ndpi", ".mrxs", ".scn", ".bif", ".svslide"}
    | {".vms", ".vmu", ".vsi", ".czi"}
)
"""Whole-slide files that are looked for in folders. DICOM is not among them: a slide is many files
there, and naming one of them opens all."""
PICTURE_ENDINGS = frozenset({".png", ".jpg", ".jpeg"})
"""Taken in folders without whole-slide files; beside those they are labels and previews."""
_OVERLAY = ".overlay.png"
"""Results may lie beside the slides; those are no slides."""
_ANY_DEPTH = "**"
"""Stands in patterns for any number of folders."""
_LISTS: Mapping[str, Callable[[Path], tuple[ListedSlide, ...]]] = MappingProxyType(
    {".txt": read_slide_list, ".csv": read_slide_table}
)


@dataclass(frozen=True, slots=True)
class SlideInput:
    """One slide that a command is to work on, not opened yet.

    Attributes:
        id: Name of the slide among all others; its results are named after it. The file name
            without its ending, or what a table says.
        path: Local path, URL, or ``sample`` for the built-in slide.
        mpp: µm per level-0 pixel, where a table states it.
        tissue: ``auto``, ``none`` or the path of a tissue picture, where a table states it.
        group: What the slide belongs to, e.g. a patient, where a table states it.
    """

    id: str
    path: str
    mpp: float | None = None
    tissue: str | None = None
    group: str | None = None


def find_slide_inputs(arguments: Sequence[str]) -> tuple[SlideInput, ...]:
    """List the slides that a user named, each once, without opening any.

    Args:
        arguments: Slide files; folders (the slides in them, by name, not in folders below);
            patterns such as ``slides/**/*.svs``; ``.txt`` (one path or URL a line) and ``.csv``
            (columns path, mpp, tissue, id, group) lists; URLs of slides, and in object stores of
            folders and patterns, too; ``sample``.

    Returns:
        The slides in the order of the arguments. Those of lists need not exist: what is missing
        there fails when it is opened, like any other broken slide.

    Raises:
        SlideError: A named file does not exist.
        ConfigError: A folder, pattern or list gives no slide, a list cannot be understood, or two
            slides have the same id.
    """
    inputs = [found for argument in arguments for found in _inputs_of(argument)]
    if not inputs:
        raise ConfigError("slides: none were named; give files, folders, patterns or lists")
    _refuse_equal_ids(inputs)
    return tuple(inputs)


def _inputs_of(argument: str) -> Iterable[SlideInput]:
    """Return the slides that one argument stands for."""
    identity = identify(argument)
    if argument == SAMPLE:
        return [SlideInput(identity.slide_id, argument)]
    if identity.is_remote:
        # Late, because the network libraries take as long to load as all else together.
        from dfaseg.slide.remote_inputs import find_remote_slides  # noqa: PLC0415

        return _named(find_remote_slides(argument))
    path = identity.path
    if path.suffix.lower() in _LISTS and path.is_file():
        return _listed(path)
    if path.is_dir():
        return _named(_slides_in(path))
    if path.exists():
        return _named([path])
    if glob.has_magic(argument):
        return _named(_matches(path))
    raise SlideError(identity.name, f"no such file '{path}'; check the path")


def _named(paths: Iterable[Path | str]) -> list[SlideInput]:
    return [SlideInput(identify(path).slide_id, str(path)) for path in paths]


def _slides_in(folder: Path) -> list[Path]:
    """Return the slides directly in a folder, by name; files of other kinds are left.

    Raises:
        ConfigError: There are none, or the folder may not be read.
    """
    try:
        files = sorted(p for p in folder.iterdir() if not p.name.startswith(".") and p.is_file())
    except OSError as error:
        raise ConfigError(f"folder '{folder}': cannot be read ({error.strerror})") from error
    chosen = set(choose_slides([path.name for path in files]))
    if chosen:
        return [path for path in files if path.name in chosen]
    raise ConfigError(
        f"folder '{folder}': no slides in it; folders below are not searched, for those give a "
        f"pattern such as '{folder}/**/*.svs' in quotes (and for DICOM one file of each slide)"
    )


def choose_slides(names: Iterable[str]) -> list[str]:
    """Return the names in a folder that are of slides; pictures only if there is nothing else.

    Hidden files, results of earlier runs and files of other kinds are left out.
    """
    seen = [name for name in names if not name.startswith(".") and not name.endswith(_OVERLAY)]
    for endings in (SLIDE_ENDINGS, PICTURE_ENDINGS):
        slides = [name for name in seen if PurePath(name).suffix.lower() in endings]
        if slides:
            return slides
    return []


def _matches(pattern: Path) -> list[Path]:
    """Return the files that a pattern matches, by name.

    Raises:
        ConfigError: There are none.
    """
    files = sorted({path for path in _expand(pattern) if path.is_file()})
    if not files:
        raise ConfigError(f"pattern '{pattern}': no file matches; check it")
    return files


def _expand(pattern: Path) -> Iterator[Path]:
    """Yield what a pattern matches, some perhaps twice; links are followed, but not in circles.

    glob itself goes round in links that lead back up, forty folders deep along each way.
    """
    parts = pattern.parts
    if _ANY_DEPTH not in parts:
        yield from map(Path, glob.glob(str(pattern)))  # noqa: PTH207 - any path
        return
    depth = parts.index(_ANY_DEPTH)
    rest = parts[depth + 1 :] or ("*",)
    for top in _expand(Path(*parts[:depth])):
        for folder in _folders_below(top, set()):
            yield from _expand(Path(glob.escape(str(folder)), *rest))


def _folders_below(folder: Path, seen: set[str]) -> Iterator[Path]:
    """Yield a folder and those below it that are not hidden, each once, links to them last."""
    real = os.path.realpath(folder)
    if real in seen:
        return
    seen.add(real)
    yield folder
    with suppress(OSError):  # as glob passes over what may not be read
        found = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
        for entry in sorted(found, key=lambda entry: (entry.is_symlink(), entry)):
            if entry.is_dir():
                yield from _folders_below(entry, seen)


def _listed(path: Path) -> list[SlideInput]:
    """Read a list of slides.

    Raises:
        ConfigError: It cannot be understood, is empty, or none of its slides exists.
    """
    listed = _LISTS[path.suffix.lower()](path)
    if not listed:
        raise ConfigError(f"list '{path}': names no slide; give one path a line")
    if not any(_may_exist(slide.path) for slide in listed):
        raise ConfigError(
            f"list '{path}': none of its {len(listed)} slides is there, e.g. '{listed[0].path}'; "
            "check the paths"
        )
    return [
        SlideInput(
            id=slide.id or identify(slide.path).slide_id,
            path=slide.path,
            mpp=slide.mpp,
            tissue=slide.tissue,
            group=slide.group,
        )
        for slide in listed
    ]


def _may_exist(path: str) -> bool:
    identity = identify(path)
    return path == SAMPLE or identity.is_remote or identity.path.exists()


def _refuse_equal_ids(inputs: Iterable[SlideInput]) -> None:
    """Make sure that no two slides would write the same files.

    Raises:
        ConfigError: Two have the same id.
    """
    seen: dict[str, str] = {}
    for slide in inputs:
        if slide.id in seen:
            raise ConfigError(
                f"slide id '{slide.id}': two slides have it, '{seen[slide.id]}' and "
                f"'{slide.path}'; name each once, or give them ids in the column id of a .csv list"
            )
        seen[slide.id] = slide.path
