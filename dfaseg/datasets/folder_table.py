"""The optional table of a folder of images: which case and which split each image belongs to."""

from dataclasses import dataclass
from pathlib import Path

from dfaseg.datasets.pictures import PICTURE_SUFFIXES
from dfaseg.datasets.tables import read_table
from dfaseg.errors import DatasetError

TABLE_FILES = ("manifest.csv", "splits.csv")
SPLITS = ("train", "val", "test")
SEPARATOR = "__"
"""Parts a name into its case and the rest, e.g. ``SLIDE__x1024_y2048``."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the table says about an image; an empty text says nothing."""

    case: str = ""
    split: str = ""


@dataclass(frozen=True, slots=True)
class FolderTable:
    """A table as read, or none.

    Attributes:
        path: Its file, or None if the folder has no table.
        entries: One entry per image name (without suffix).
    """

    path: Path | None
    entries: dict[str, Entry]

    @property
    def has_cases(self) -> bool:
        """Whether the case of every image is stated."""
        return bool(self.entries) and all(entry.case for entry in self.entries.values())

    def case_of(self, name: str) -> str:
        """Return an image's case: as stated, or its name up to the last ``__``, or its name."""
        return self.entries.get(name, Entry()).case or name.rpartition(SEPARATOR)[0] or name

    def split_of(self, name: str) -> str:
        """Return an image's split, empty if none is stated."""
        return self.entries.get(name, Entry()).split


def read_folder_table(root: Path) -> FolderTable:
    """Read ``manifest.csv`` or ``splits.csv``, if there is one.

    Raises:
        DatasetError: There are both, or the table is impossible.
    """
    found = [root / name for name in TABLE_FILES if (root / name).is_file()]
    if len(found) > 1:
        raise DatasetError(
            f"data set '{root}': has manifest.csv and splits.csv; keep the one that holds"
        )
    if not found:
        return FolderTable(None, {})
    (path,) = found
    lines = read_table(path, ("name",), "give each image one line with its name")
    return FolderTable(path, _entries(path, lines))


def _entries(path: Path, lines: list[dict[str, str]]) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for line in lines:
        name = _without_suffix(line["name"])
        if name in entries:
            raise DatasetError(f"table '{path}': names the image '{name}' twice")
        entry = Entry(line.get("case", ""), line.get("split", ""))
        if entry.split not in {*SPLITS, ""}:
            raise DatasetError(
                f"table '{path}': split '{entry.split}' of '{name}' is unknown; use one of"
                f" {', '.join(SPLITS)}"
            )
        entries[name] = entry
    if len({bool(entry.split) for entry in entries.values()}) > 1:
        raise DatasetError(f"table '{path}': some images have a split and some have none")
    return entries


def _without_suffix(name: str) -> str:
    path = Path(name)
    return path.stem if path.suffix.lower() in PICTURE_SUFFIXES else name
