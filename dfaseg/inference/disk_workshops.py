"""Results that go to a disk, made beside their final places or on a scratch disk."""

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from dfaseg.files import LOCK_FILE, copy_whole, flush_folder, write_aside
from dfaseg.inference.outputs import OutputPaths
from dfaseg.inference.parked import PARKED_FILE, clear, pack, unpack
from dfaseg.inference.state import STATE_FILE
from dfaseg.inference.working_folders import Pace, explained, held_folder, working_folder


@dataclass(slots=True)
class InPlace:
    """Results are made beside their final places; see ``Workshop``.

    Args:
        outputs: The final places.
        overwrite: Whether results that are there may be replaced.
    """

    outputs: OutputPaths
    overwrite: bool

    @property
    def work(self) -> OutputPaths:
        """The same: only names are missing."""
        return self.outputs

    def held(self) -> AbstractContextManager[None]:
        """Lock the hidden folder, and remove it after a failure that leaves nothing to go on."""
        return held_folder(self.work.partial)

    def fetch(self) -> None:
        """Unpack what a run with a scratch disk has parked here."""
        parked = self.work.partial / PARKED_FILE
        if parked.exists():
            unpack(parked, self.work.partial)
            parked.unlink()

    def park(self) -> None:
        """Nothing to do: the state is saved where the next run looks for it."""

    def publish(self) -> None:
        """Rename."""
        self.work.put_in_place(overwrite=self.overwrite)


@dataclass(slots=True)
class OnScratch:
    """Results are made on a scratch disk and copied to a disk; see ``Workshop``.

    Args:
        outputs: The final places.
        folder: Where to work.
        overwrite: Whether results that are there may be replaced.
    """

    outputs: OutputPaths
    folder: Path
    overwrite: bool
    work: OutputPaths = field(init=False)
    _pace: Pace = field(default_factory=Pace)

    def __post_init__(self) -> None:
        self.work = replace(self.outputs, partial=self.folder)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Lock the hidden folder beside the final places; empty the working folder at the end."""
        with held_folder(self.outputs.partial), working_folder(self.folder, self._park_now):
            yield

    def fetch(self) -> None:
        """Unpack what is parked, or copy what a run without a scratch disk has left."""
        hidden = self.outputs.partial
        if (hidden / PARKED_FILE).exists():
            unpack(hidden / PARKED_FILE, self.folder)
        elif (hidden / STATE_FILE).exists():
            with explained(self.folder):
                shutil.copytree(hidden, self.folder, dirs_exist_ok=True)
                (self.folder / LOCK_FILE).unlink()

    def park(self) -> None:
        """Pack the working folder into one file of the hidden folder."""
        if self._pace.is_due:
            with self._pace.measured():
                self._park_now()

    def publish(self) -> None:
        """Copy all files into the hidden folder, then rename them."""
        hidden = self.outputs.partial
        clear(hidden)
        for final in self.outputs.finals:
            with explained(final):
                copy_whole(self.work.made(final), self.outputs.made(final))
        flush_folder(hidden)
        self.outputs.put_in_place(overwrite=self.overwrite)

    def _park_now(self) -> None:
        with write_aside(self.outputs.partial / PARKED_FILE) as aside:
            pack(self.folder, aside)
