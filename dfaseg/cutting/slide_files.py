"""The files in a slide's own folder: which of them are ours, taken away and put in place."""

from contextlib import suppress
from pathlib import Path

from dfaseg.cutting.names import slide_of_file

RECORD_ENDING = ".tiles.json"
_ENDINGS = (".tiles.csv", ".tiles.parquet", ".tiles.geojson", ".tiles.png", ".pairs.csv")
"""Of all that a run may have written beside the record."""


def remove_slide_files(folder: Path) -> None:
    """Remove what we have written in the folder of a slide, its record last; keep all else."""
    slide_id = folder.name
    patches = folder / "patches"
    for path in patches.iterdir() if patches.is_dir() else ():
        if slide_of_file(path.name) == slide_id:
            path.unlink()
    for ending in (*_ENDINGS, RECORD_ENDING):
        (folder / f"{slide_id}{ending}").unlink(missing_ok=True)
    for emptied in (patches, folder):
        with suppress(OSError):  # somebody else's files are in it
            emptied.rmdir()


def move_files(made: Path, final: Path) -> None:
    """Move files, and those in folders below, to a folder that may hold others; records last."""
    if not made.is_dir():
        return
    final.mkdir(exist_ok=True)
    for path in sorted(made.iterdir(), key=_is_record):
        if path.is_dir():
            move_files(path, final / path.name)
        else:
            path.replace(final / path.name)


def _is_record(path: Path) -> bool:
    return path.name.endswith(RECORD_ENDING)
