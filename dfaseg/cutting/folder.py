"""The files of one slide in the results' folder: made in a hidden one, put in place together."""

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfaseg.cutting.slide_files import RECORD_ENDING, move_files, remove_slide_files
from dfaseg.errors import OutputError, OutputExistsError
from dfaseg.files import explain, locked, refuse_long_stem, write_json

SHARED_FOLDERS = ("patches", "images", "masks")
"""Folders in which slides share a place; no slide may be called like them."""

_PUBLISHING = "publishing"
"""File in the hidden folder that says: all is made, only places are missing."""
_RECIPE, _STATE = "recipe.json", "state.json"


@dataclass(frozen=True, slots=True)
class SlideFolder:
    """Where the results of one slide lie, and where they are made.

    Attributes:
        out: Folder of all slides.
        slide_id: Name of the slide.
    """

    out: Path
    slide_id: str

    def __post_init__(self) -> None:
        if self.slide_id in SHARED_FOLDERS or "/" in self.slide_id:
            raise OutputError(
                f"slide id '{self.slide_id}': stands for a folder of the results; give the slide"
                " another id in the column id of a .csv list"
            )
        refuse_long_stem(self.slide_id)

    @property
    def final(self) -> Path:
        """The finished folder of the slide."""
        return self.out / self.slide_id

    @property
    def partial(self) -> Path:
        """The hidden folder of a run."""
        return self.out / f".{self.slide_id}.partial"

    @property
    def tree(self) -> Path:
        """Where a run makes files, at the places that they will have below ``out``."""
        return self.partial / "tree"

    @property
    def made(self) -> Path:
        """The slide's own folder while it is being made."""
        return self.tree / self.slide_id

    @property
    def record(self) -> Path:
        """The finished record, which comes last."""
        return self.final / f"{self.slide_id}{RECORD_ENDING}"

    @property
    def is_in_place(self) -> bool:
        """Whether files of the slide may lie in the folders that slides share."""
        # In this order: the record is there before the hidden folder is gone.
        return self._is_publishing or read_record(self.record) is not None

    @property
    def _is_publishing(self) -> bool:
        return (self.partial / _PUBLISHING).exists()

    def check(self, recipe: Mapping[str, Any], *, overwrite: bool) -> bool:
        """Tell whether the slide is finished as the recipe says.

        Raises:
            OutputExistsError: It was cut with other settings and may not be replaced, or what is
                there is not ours.
        """
        if not self.final.exists():
            return False
        record = read_record(self.record)
        if record is None:
            raise self._foreign(self.final)
        if record.get("recipe") == json.loads(json.dumps(recipe)):
            return True
        if not overwrite:
            raise OutputExistsError(
                f"output '{self.final}': cut with other settings, or from another file; pass"
                " --overwrite to replace it or choose another --out"
            )
        return False

    def begin(self, recipe: Mapping[str, Any]) -> dict[str, Any] | None:
        """Make room for a run; return what a stopped run with the same recipe has saved.

        Raises:
            OutputError: The hidden folder cannot be written.
        """
        if read_record(self.partial / _RECIPE) == json.loads(json.dumps(recipe)):
            state = read_record(self.partial / _STATE)
            if state is not None:
                return state
        try:
            shutil.rmtree(self.tree, ignore_errors=True)
            (self.partial / _STATE).unlink(missing_ok=True)
            self.made.mkdir(parents=True)
        except OSError as error:
            raise OutputError(f"output '{self.out}': {explain(error)}") from error
        write_json(self.partial / _RECIPE, recipe)
        return None

    def shared(self, folder: str) -> Path:
        """Return a folder that slides share, as this run makes it; it is created when missing."""
        path = self.tree / folder
        path.mkdir(parents=True, exist_ok=True)
        return path

    def save_state(self, state: Mapping[str, Any]) -> None:
        """Note down how far the run is.

        Raises:
            OutputError: It cannot be written.
        """
        write_json(self.partial / _STATE, state)

    @property
    def has_state(self) -> bool:
        """Whether there is something to go on from."""
        return (self.partial / _STATE).exists()

    def discard(self) -> None:
        """Leave no trace of a run."""
        shutil.rmtree(self.partial, ignore_errors=True)

    def finish_publishing(self) -> None:
        """Put in place what a run had finished when it was killed.

        Raises:
            OutputError: A file cannot be put in place, or another run is at it.
        """
        if self._is_publishing:
            with locked(self.partial):
                self.publish()

    def publish(self) -> None:
        """Give all files their places and remove the hidden folder; may be called again.

        Raises:
            OutputError: A file cannot be put in place.
            OutputExistsError: One that is not ours is there.
        """
        if not self._is_publishing:
            self._check_places()
        try:
            (self.partial / _PUBLISHING).touch()
            if (self.made / self.record.name).exists():
                self._remove_earlier()
            for folder in SHARED_FOLDERS:
                move_files(self.tree / folder, self.out / folder)
            if self.final.exists():
                move_files(self.made, self.final)
            elif self.made.exists():
                self.made.rename(self.final)
            shutil.rmtree(self.partial)
        except OSError as error:
            raise OutputError(
                f"output '{error.filename}': cannot be put in place ({explain(error)});"
                " run the same command again when it can"
            ) from error

    def _check_places(self) -> None:
        """Make sure that nothing but the slide's earlier files is replaced.

        Raises:
            OutputExistsError: Something else is there.
        """
        record = read_record(self.record)
        if record is None and self.final.exists():
            raise self._foreign(self.final)
        own = set(record.get("files", ()) if record else ())
        for folder in SHARED_FOLDERS:
            made = self.tree / folder
            for file_name in os.listdir(made) if made.is_dir() else ():  # noqa: PTH208
                name = f"{folder}/{file_name}"
                if name not in own and os.path.lexists(f"{self.out}{os.sep}{name}"):
                    raise self._foreign(self.out / name)

    def _foreign(self, path: Path) -> OutputExistsError:
        return OutputExistsError(
            f"output '{path}': was not written by dfaseg tile and is not replaced; move it away or"
            " choose another --out"
        )

    def _remove_earlier(self) -> None:
        """Remove what an earlier run with other settings has put in place, its record last.

        As long as the new record is not there, one that is belongs to the earlier run; once there
        is none, all that lies here is new, or not ours.
        """
        record = read_record(self.record)
        if record is None:
            return
        for name in record.get("files", ()):
            (self.out / name).unlink(missing_ok=True)
        remove_slide_files(self.final)


def finished_records(out: Path) -> list[tuple[Path, int]]:
    """Return the records of all finished slides of a folder by name, and when each was written."""
    found = []
    for folder in sorted(out.iterdir()) if out.is_dir() else ():
        path = folder / f"{folder.name}{RECORD_ENDING}"
        if folder.name.startswith("."):
            continue
        with suppress(FileNotFoundError, NotADirectoryError):
            found.append((path, path.stat().st_mtime_ns))
    return found


def holds_slides(out: Path) -> bool:
    """Tell whether a folder holds slides that we have cut, or are just being put in place."""
    return any(out.glob(f".*.partial/{_PUBLISHING}")) or bool(finished_records(out))


def read_record(path: Path) -> dict[str, Any] | None:
    """Read a JSON object; None where there is none to trust."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None
