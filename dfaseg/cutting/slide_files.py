"""The files in a slide's own folder: which of them are ours, taken away and put in place."""

import os
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
    # By the system's own calls: there may be two files for each of a hundred thousand tiles.
    with os.scandir(made) as entries:
        for entry in sorted(entries, key=_is_record):
            if entry.is_dir():
                move_files(made / entry.name, final / entry.name)
            else:
                os.replace(entry.path, f"{final}{os.sep}{entry.name}")  # noqa: PTH105


def _is_record(entry: os.DirEntry[str]) -> bool:
    return entry.name.endswith(RECORD_ENDING)
