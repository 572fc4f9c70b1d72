"""Which slides a data set has, where their labels lie and in which split each belongs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dfaseg.annotation import ANNOTATION_SUFFIXES
from dfaseg.datasets.checks import find_pictures
from dfaseg.datasets.holdout import hold_out
from dfaseg.datasets.pictures import LOSSLESS_SUFFIXES, PICTURE_SUFFIXES
from dfaseg.datasets.tables import read_table
from dfaseg.errors import DatasetError
from dfaseg.geometry import is_plausible_mpp

SLIDE_SUFFIXES = PICTURE_SUFFIXES | {
    *(".svs", ".svslide", ".ndpi", ".mrxs", ".scn", ".bif", ".vms", ".vmu", ".dcm", ".czi")
}
TABLE = "splits.csv"
HELD_OUT = 0.2
"""Share of the slides that tests, and of the rest that validates, where no table says so."""

_SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class SlideEntry:
    """A slide of a data set.

    Attributes:
        name: Its file's stem.
        slide_path: Its file.
        label_path: Mask or annotations.
        is_drawn: Whether the label is annotations.
        case: Patient, by default the slide itself.
        split: ``train``, ``val`` or ``test``.
        mpp: µm per level-0 pixel, or None if the slide states it.
        table_path: Where its case, split and resolution can be written.
    """

    name: str
    slide_path: Path
    label_path: Path
    is_drawn: bool
    case: str
    split: str
    mpp: float | None
    table_path: Path


def find_slides(root: Path) -> list[SlideEntry]:
    """Return the slides of a folder, each with its label and split.

    The table ``splits.csv`` has the columns slide (name of the file, with or without its ending)
    and split, and may have case and mpp. Without it cases are dealt to the splits by their names,
    the same on every machine; the set should then be large enough for chance.

    Args:
        root: Folder with ``slides``, and ``masks`` or ``annotations`` or both.

    Raises:
        DatasetError: A slide has no label, two, or no place in the table; a label has no slide.
    """
    slides = find_pictures(root / "slides", SLIDE_SUFFIXES)
    if not slides:
        raise DatasetError(
            f"data set '{root}': no slides in '{root / 'slides'}'; --root must be a folder with"
            " slides, and masks or annotations of the same names"
        )
    masks = find_pictures(root / "masks", LOSSLESS_SUFFIXES)
    drawings = _find_annotations(root / "annotations")
    _check_partners(root, slides, masks, drawings)
    entries = [
        SlideEntry(
            name=name,
            slide_path=path,
            label_path=drawings[name] if name in drawings else masks[name],
            is_drawn=name in drawings,
            case=name,
            split="",
            mpp=None,
            table_path=root / TABLE,
        )
        for name, path in slides.items()
    ]
    return _from_table(entries) if (root / TABLE).is_file() else _deal(root, entries)


def _find_annotations(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for stem, path in find_pictures(folder, ANNOTATION_SUFFIXES).items():
        inner = Path(stem)  # of "name.geojson.gz"
        name = inner.stem if inner.suffix.lower() in ANNOTATION_SUFFIXES else stem
        if name in found:
            raise DatasetError(
                f"folder '{folder}': '{found[name].name}' and '{path.name}' belong to one slide;"
                " remove one of them"
            )
        found[name] = path
    return found


def _check_partners(
    root: Path,
    slides: Mapping[str, Path],
    masks: Mapping[str, Path],
    drawings: Mapping[str, Path],
) -> None:
    labelled = masks.keys() | drawings.keys()
    for names, problem in (
        (slides.keys() - labelled, "has neither a mask nor annotations"),
        (labelled - slides.keys(), "has a label, but there is no such slide"),
        (masks.keys() & drawings.keys(), "has both a mask and annotations; take one away"),
    ):
        if names:
            more = f" (and {len(names) - 1} others)" if len(names) > 1 else ""
            raise DatasetError(f"data set '{root}': slide '{min(names)}'{more} {problem}")


def _from_table(entries: Iterable[SlideEntry]) -> list[SlideEntry]:
    by_file = {entry.slide_path.name: entry for entry in entries}
    by_name = {entry.name: entry for entry in entries}
    table = next(iter(by_name.values())).table_path
    found: dict[str, SlideEntry] = {}
    for row in read_table(table, ("slide", "split"), "give each slide one line with its split"):
        entry = by_file.get(row["slide"]) or by_name.get(row["slide"])
        if entry is None or entry.name in found:
            problem = "is no slide" if entry is None else "comes twice"
            raise DatasetError(f"table '{table}': '{row['slide']}' {problem}; correct the table")
        found[entry.name] = _with_row(entry, row)
    missing = by_name.keys() - found.keys()
    if missing:
        raise DatasetError(f"table '{table}': lacks the slide '{min(missing)}'; add it")
    return list(found.values())


def _with_row(entry: SlideEntry, row: Mapping[str, str]) -> SlideEntry:
    if row["split"] not in _SPLITS:
        raise DatasetError(
            f"table '{entry.table_path}': slide '{entry.name}' is in the split '{row['split']}';"
            f" the splits are {', '.join(_SPLITS)}"
        )
    return replace(
        entry,
        split=row["split"],
        case=row.get("case") or entry.case,
        mpp=_parse_mpp(entry, row.get("mpp") or ""),
    )


def _parse_mpp(entry: SlideEntry, text: str) -> float | None:
    if not text:
        return None
    try:
        mpp = float(text)
    except ValueError:
        mpp = 0.0
    if not is_plausible_mpp(mpp):
        raise DatasetError(
            f"table '{entry.table_path}': '{text}' is no resolution of the slide '{entry.name}';"
            " write µm per pixel, e.g. 0.25"
        )
    return mpp


def _deal(root: Path, entries: list[SlideEntry]) -> list[SlideEntry]:
    """Deal cases to the splits by chance, the same on every machine."""
    if len(entries) < 3:
        raise DatasetError(
            f"data set '{root}': {len(entries)} slides cannot be dealt to three splits; add slides"
            f" or write '{entries[0].table_path}'"
        )
    test = hold_out([(entry.case, "") for entry in entries], HELD_OUT)
    rest = [entry for entry in entries if entry.case not in test]
    val = hold_out([(entry.case, "") for entry in rest], HELD_OUT)
    split_of = dict.fromkeys(val, "val") | dict.fromkeys(test, "test")
    return [replace(entry, split=split_of.get(entry.case, "train")) for entry in entries]
