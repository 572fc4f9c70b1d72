"""The files of one result: where they lie, how they appear together, what may be replaced."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfaseg.errors import OutputError
from dfaseg.files import check_folder, explain, locked, remove_entry, write_aside
from dfaseg.inference.hidden_folder import (
    POLYGON_SPOOL,
    PUBLISHING,
    REPLACED,
    refuse_foreign_hidden,
    refuse_other_polygons,
)
from dfaseg.inference.ownership import (
    is_mask_metadata,
    parse_record,
    refuse_inside_zarr,
    refuse_taken,
)
from dfaseg.inference.parked import PARKED_FILE
from dfaseg.inference.result_places import ResultPlaces
from dfaseg.inference.state import STATE_FILE
from dfaseg.stitcher.mask_folder import ROOT_METADATA, names_below


@dataclass(frozen=True, slots=True)
class OutputPaths(ResultPlaces[Path]):
    """Results on a disk: final places, and the hidden folder in which they are made."""

    def made(self, final: Path) -> Path:
        """Return where a final file lies while it is being made."""
        return self.partial / final.name

    @property
    def polygons_text(self) -> Path:
        """Where polygons are streamed to while they are made, not compressed yet."""
        return self.partial / self.polygons.name.removesuffix(".gz")

    @property
    def polygon_spool(self) -> Path:
        """Where the borders of unfinished regions are kept while polygons are made."""
        return self.partial / POLYGON_SPOOL

    @property
    def has_state(self) -> bool:
        """Whether there is something that an interrupted run can go on from."""
        return any((self.partial / name).exists() for name in (STATE_FILE, PARKED_FILE))

    def finished_record(self) -> Mapping[str, Any] | None:
        """Return the run record, which appears last; None where the results are not all there."""
        if not (self.mask.is_dir() and all(map(os.path.exists, self.finals))):
            return None
        try:
            return parse_record(self.record.read_bytes())
        except OSError:
            return None

    def finished_areas(self) -> bytes:
        """Return the table of areas of results that are all there."""
        return self.read(self.areas)

    @property
    def is_half_replaced(self) -> bool:
        """Whether a run of ours was killed after it had moved the mask of before out of the way."""
        before = self.read(self._before(self.mask) / ROOT_METADATA)
        return not self.mask.exists() and is_mask_metadata(before)

    def is_taken(self, final: Path) -> bool:
        """Tell whether anything is at a final place, be it a link to nowhere."""
        return os.path.lexists(final)

    def read(self, file: Path, limit: int | None = None) -> bytes:
        """Return the first bytes of a file; none where it is none or cannot be read."""
        with suppress(OSError):
            if file.is_file():
                with file.open("rb") as stream:
                    return stream.read(-1 if limit is None else limit)
        return b""

    def names_below_mask(self) -> Iterator[str]:
        """Yield the names of all that lies in the mask that is there."""
        try:
            yield from names_below(self.mask)
        except OSError as error:
            raise OutputError(
                f"output '{error.filename}': cannot be looked at ({explain(error)})"
            ) from error

    def size_bytes(self) -> int:
        """Add up the sizes of the finished files while they lie in the hidden folder."""
        made = [self.made(final) for final in self.finals]
        below = [path for place in made for path in place.rglob("*")]
        return sum(path.stat().st_size for path in (*made, *below) if path.is_file())

    def check(self, *, overwrite: bool) -> None:
        """Make sure that the results can be written before any work is done.

        Raises:
            OutputExistsError: A result is there and may not be replaced, or is not ours.
            OutputError: A folder is missing or not writable.
        """
        self._refuse_clash()
        for final in self.finals:
            refuse_inside_zarr(final)
        self.refuse_taken(overwrite=overwrite)
        refuse_foreign_hidden(self.partial, self.finals)
        for folder in {final.parent for final in self.finals}:
            check_folder(folder)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise OutputError(f"output folder '{folder}': not writable; choose another --out")

    def refuse_taken(self, *, overwrite: bool) -> None:
        """Make sure that nothing is at the final places that may not be replaced.

        Raises:
            OutputExistsError: A result is there and may not be replaced, or is not ours.
        """
        refuse_taken(self, overwrite=overwrite)

    def _refuse_clash(self) -> None:
        """Make sure that polygons do not take the name of another result."""
        # By name, since all of them are made in one folder.
        if self.polygons.name in {self.overlay.name, self.areas.name, self.record.name}:
            raise OutputError(
                f"output '{self.polygons}': the name of another result; choose another --geojson"
            )

    def put_in_place(self, *, overwrite: bool) -> None:
        """Publish what has just been made, unless something of the user's has come up meanwhile.

        What is made then stays in the hidden folder, and a later run puts it in place.

        Args:
            overwrite: Whether results that are there may be replaced.

        Raises:
            OutputExistsError: Something is at a final place that may not be replaced.
            OutputError: A file cannot be renamed.
        """
        with self._told_in_place():
            (self.partial / PUBLISHING).touch()
        self.refuse_taken(overwrite=overwrite)
        self.publish()

    def publish(self) -> None:
        """Give all finished files their final names and remove the hidden folder.

        May be interrupted and called again: what has been renamed is not there any more.

        Raises:
            OutputError: A file cannot be renamed.
        """
        with self._told_in_place():
            (self.partial / PUBLISHING).touch()
            if self.made(self.record).exists():
                # What has a record counts as finished, and must not be half old and half new.
                self.record.unlink(missing_ok=True)
            for final in self.finals:
                if self.made(final).exists():
                    _replace(self.made(final), final, self._before(final))
            self._remove_partial()

    @contextmanager
    def _told_in_place(self) -> Iterator[None]:
        """Say in one line which file cannot be put in place."""
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"output '{error.filename or self.mask}': cannot be put in place "
                f"({explain(error)}); run the same command again when it can"
            ) from error

    def _before(self, final: Path) -> Path:
        """Return where what was at a final place lies until the new is there."""
        return self.partial / f"{REPLACED}{final.name}"

    @property
    def is_left_over(self) -> bool:
        """Whether a run was killed after it had made everything and before it had tidied up."""
        if (self.partial / PUBLISHING).exists():
            return True
        return self.partial.is_dir() and not any(self.partial.iterdir())

    def _remove_partial(self) -> None:
        """Remove the hidden folder, and last in it what tells that it is of no use any more."""
        for entry in self.partial.iterdir():
            if entry.name != PUBLISHING:
                remove_entry(entry)
        (self.partial / PUBLISHING).unlink()
        self.partial.rmdir()

    def tidy(self) -> None:
        """Remove the hidden folder of a finished result, where nothing is in it."""
        with suppress(OSError):
            self.partial.rmdir()

    def finish_publishing(self, *, overwrite: bool) -> bool:
        """Put in place what a run had finished when it was killed; tell whether there was any.

        Args:
            overwrite: Whether what has come up at the final names since then may be replaced.

        Raises:
            OutputExistsError: What has come up, or lies in the hidden folder, is not ours.
            OutputError: A file cannot be renamed, or another run is at it.
        """
        if not (self.partial / PUBLISHING).exists():
            return False
        refuse_foreign_hidden(self.partial, self.finals)
        refuse_other_polygons(self.partial, self.polygons)
        waiting = [final for final in self.finals if self.made(final).exists()]
        if any(map(self.is_taken, waiting)):
            if not overwrite:
                return False
            self.refuse_taken(overwrite=True)
        with locked(self.partial):
            self.publish()
        return True


def _replace(made: Path, final: Path, old: Path) -> None:
    """Move a file or folder to its final name; what was there is removed only afterwards.

    Of a link only the link: where it led, all stays.
    """
    if made.parent.stat().st_dev != final.parent.stat().st_dev:
        # Polygons may be asked for on another disk, where a rename cannot reach.
        with write_aside(final) as aside:
            shutil.copyfile(made, aside)
        made.unlink()
        return
    if final.is_dir():
        final.rename(old)
    made.replace(final)
    if os.path.lexists(old):
        remove_entry(old)
