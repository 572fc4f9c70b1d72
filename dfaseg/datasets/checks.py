"""What must hold of every data set before a network learns from it."""

import logging
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from dfaseg.datasets.dataset import Example
from dfaseg.errors import DatasetError

logger = logging.getLogger(__name__)


def check_cases(splits: Mapping[str, Iterable[Example]]) -> None:
    """Refuse a case that lies in two splits, and images of which no case is known.

    Args:
        splits: Examples of each split, by the split's name.

    Raises:
        DatasetError: A network would be tested on a patient it has seen, or might be.
    """
    owner: dict[str, str] = {}
    for split, examples in splits.items():
        for example in examples:
            if not example.case:
                raise DatasetError(
                    f"image '{example.name}': its table names no case (patient); fill it in, for a"
                    " case must lie in one split"
                )
            other = owner.setdefault(example.case, split)
            if other != split:
                raise DatasetError(
                    f"case '{example.case}': lies in the splits {other} and {split}; a case must"
                    " lie in one, or the scores are too good"
                )


def check_names(examples: Iterable[Example]) -> None:
    """Refuse two images of one name.

    Raises:
        DatasetError: A name comes twice.
    """
    seen: set[str] = set()
    for example in examples:
        if example.name in seen:
            raise DatasetError(f"image '{example.name}': comes twice; names must differ")
        seen.add(example.name)


def check_files(root: Path, files: Collection[Path], remedy: str) -> None:
    """Refuse a data set of which files are missing.

    Args:
        root: Folder of the data set, for the message.
        files: All files it must have.
        remedy: What to do, e.g. "download the data again from ...".

    Raises:
        DatasetError: Files are missing; the message counts them and names the first.
    """
    absent = [path for path in files if not path.is_file()]
    if absent:
        raise DatasetError(
            f"data set '{root}': {len(absent)} of {len(files)} files are missing, the first is"
            f" '{absent[0]}'; {remedy}"
        )


def warn_of_missing_images(
    name: str, found: Mapping[str, int], published: Mapping[str, int]
) -> None:
    """Warn where a data set has other numbers of images than were published.

    Args:
        name: Name of the data set.
        found: Number of images of each official part.
        published: The same, as published.
    """
    if dict(found) != dict(published):
        logger.warning(
            "%s: other numbers of images than published (%s); scores cannot be compared with"
            " others'",
            name,
            ", ".join(f"{part} {found.get(part, 0)} of {published[part]}" for part in published),
        )


def find_pictures(folder: Path, suffixes: Collection[str]) -> dict[str, Path]:
    """Return the pictures of a folder by their stem, in order of name; hidden files are left out.

    Raises:
        DatasetError: Two pictures differ in their suffix only.
    """
    found: dict[str, Path] = {}
    if not folder.is_dir():
        return found
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in suffixes or path.name.startswith("."):
            continue
        if path.stem in found:
            raise _namesakes(folder, found[path.stem], path)
        found[path.stem] = path
    return found


def find_by_stem(folder: Path, stem: str, suffixes: Collection[str]) -> Path | None:
    """Return a picture whose suffix may be one of several, in small letters or in capitals.

    Raises:
        DatasetError: There are several.
    """
    found = []
    for suffix in sorted(suffixes):
        # Some disks take both for one file.
        small, capital = folder / f"{stem}{suffix}", folder / f"{stem}{suffix.upper()}"
        found += [small] if small.is_file() else [capital] if capital.is_file() else []
    if len(found) > 1:
        raise _namesakes(folder, *found[:2])
    return found[0] if found else None


def _namesakes(folder: Path, first: Path, second: Path) -> DatasetError:
    return DatasetError(
        f"folder '{folder}': '{first.name}' and '{second.name}' have one name; remove one of them"
    )
