"""The files of one result in an object store: what is there, and how all appear together.

A store has no renaming: each object appears whole, but not all of them at once. So the order says
what is finished. An object in the hidden place is put first and says that the others are being
written; the record of what is replaced is removed next; the new record comes last. Whoever goes by
the record sees all of the old or all of the new, and what lies there without one, while the hidden
object is there, is a leftover of ours.
"""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfaseg.inference.hidden_folder import foreign_in_hidden
from dfaseg.inference.outputs import OutputPaths
from dfaseg.inference.ownership import parse_record, refuse_inside_zarr, refuse_taken
from dfaseg.inference.parked import PARKED_FILE
from dfaseg.inference.result_places import ResultPlaces
from dfaseg.stitcher.mask_folder import ROOT_METADATA
from dfaseg.storage.objects import (
    list_below,
    object_facts,
    read_head,
    read_object,
    remove_objects,
    upload,
    write_object,
)
from dfaseg.storage.store_path import StorePath

UPLOADING = "uploading"
"""Object in the hidden place that says: what lies at the final names is not finished."""

_TRIAL = "trial-"
"""Begins the names of hidden objects with which writing is tried out."""


@dataclass(frozen=True, slots=True)
class StoreOutputs(ResultPlaces[StorePath]):
    """Results in an object store: final places, and the hidden one."""

    @property
    def parked(self) -> StorePath:
        """What an interrupted run can go on from."""
        return self.partial / PARKED_FILE

    @property
    def has_state(self) -> bool:
        """Whether there is something that an interrupted run can go on from."""
        return object_facts(self.parked) is not None

    @property
    def is_left_over(self) -> bool:
        """Whether a run was killed while it put its results there, or before it had tidied up."""
        return object_facts(self.partial / UPLOADING) is not None

    @property
    def is_half_replaced(self) -> bool:
        """Whether a run of ours was killed while it put its results there.

        What is there without a record is a leftover of it, which a run may replace unasked.
        """
        return self.is_left_over and self.finished_record() is None

    def is_taken(self, final: StorePath) -> bool:
        """Tell whether there is an object, or for a mask any below it."""
        is_there = object_facts(final) is not None
        return is_there or (final == self.mask and bool(list_below(final)))

    def read(self, file: StorePath, limit: int | None = None) -> bytes:
        """Return the first bytes of an object; none where there is none."""
        content = read_object(file) if limit is None else read_head(file, limit)
        return content or b""

    def names_below_mask(self) -> Iterator[str]:
        """Yield the names of all objects of the mask that is there."""
        start = len(f"{self.mask}/")
        yield from (str(place)[start:] for place in list_below(self.mask))

    def finished_record(self) -> Mapping[str, Any] | None:
        """Return the run record; None where the results are not all there."""
        content = read_object(self.record)
        if content is None or object_facts(self.mask / ROOT_METADATA) is None:
            return None
        return parse_record(content)

    def finished_areas(self) -> bytes:
        """Return the table of areas of results that are all there."""
        return self.read(self.areas)

    def check(self, *, overwrite: bool) -> None:
        """Make sure that the results can be written before any work is done.

        Raises:
            OutputExistsError: A result is there and may not be replaced, or is not ours.
            OutputError: The store cannot be read or written.
        """
        for final in self.finals:
            refuse_inside_zarr(final)
        self.refuse_taken(overwrite=overwrite)
        self._refuse_foreign_hidden()
        trial = self.partial / f"{_TRIAL}{secrets.token_hex(4)}"
        write_object(trial, b"")
        remove_objects([trial])

    def finish_publishing(self, *, overwrite: bool) -> bool:  # noqa: ARG002 - as on a disk
        """Tidy up after a run that was killed when all was there; tell whether there was any.

        Raises:
            OutputExistsError: Something in the hidden place is not ours.
            OutputError: The store cannot be read or written.
        """
        if not self.is_left_over or self.finished_record() is None:
            return False
        self._refuse_foreign_hidden()
        remove_objects(self._hidden_objects())
        return True

    def tidy(self) -> None:
        """Nothing to do: a hidden place without objects is no place."""

    def refuse_taken(self, *, overwrite: bool) -> None:
        """Make sure that nothing is at the final places that may not be replaced.

        Raises:
            OutputExistsError: A result is there and may not be replaced, or is not ours.
        """
        refuse_taken(self, overwrite=overwrite or self.is_half_replaced)

    def publish(self, made: OutputPaths, *, overwrite: bool) -> None:
        """Put finished files to their final places, the record last.

        Args:
            made: The same results on a disk.
            overwrite: Whether what has come up at the final places may be replaced.

        Raises:
            OutputExistsError: Somebody else has put something there meanwhile.
            OutputError: An object cannot be written; nothing finished is there then.
        """
        self.check(overwrite=overwrite)
        write_object(self.partial / UPLOADING, b"")
        # The shards of two masks together would be neither of them.
        remove_objects([self.record, self.mask / ROOT_METADATA, *list_below(self.mask)])
        for source, place in self._in_order(made):
            upload(source, place)
        remove_objects(self._hidden_objects())

    def _in_order(self, made: OutputPaths) -> Iterator[tuple[Path, StorePath]]:
        """Yield the files to upload: what makes a mask one, and the record, come last."""
        mask = made.made(made.mask)
        for path in sorted(mask.rglob("*")):
            if path.is_file() and path != mask / ROOT_METADATA:
                yield path, self.mask / path.relative_to(mask).as_posix()
        yield made.made(made.polygons), self.polygons
        yield made.made(made.overlay), self.overlay
        yield made.made(made.areas), self.areas
        yield mask / ROOT_METADATA, self.mask / ROOT_METADATA
        yield made.made(made.record), self.record

    def _refuse_foreign_hidden(self) -> None:
        """Make sure that the hidden place, which a run empties, holds only what runs put there.

        Raises:
            OutputExistsError: It holds something else.
        """
        start = len(f"{self.partial}/")
        for place in list_below(self.partial):
            name = str(place)[start:]
            if name not in {PARKED_FILE, UPLOADING} and not name.startswith(_TRIAL):
                raise foreign_in_hidden(self.partial, name)

    def _hidden_objects(self) -> list[StorePath]:
        """Return all hidden objects, last the one that says that something is unfinished."""
        marker = self.partial / UPLOADING
        return [*(place for place in list_below(self.partial) if place != marker), marker]
