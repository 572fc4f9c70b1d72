"""Small files that processes on several machines share: on a disk or in an object store.

All that is asked of either is that a file can be made which must not exist, that files appear
whole, and that what was written is what is read next.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from dfaseg.errors import OutputError
from dfaseg.files import explain, write_aside
from dfaseg.sharing.exclusive import create_whole
from dfaseg.storage.store_path import Place


@dataclass(frozen=True, slots=True)
class Seen:
    """A shared file at one moment.

    Attributes:
        content: What it holds.
        version: Differs whenever it was written or touched.
        changed: When that was, in seconds since 1970 by the clock of the disk or store.
    """

    content: bytes
    version: str
    changed: float


class SharedFiles(Protocol):
    """The files of one place, by name."""

    def prepare(self) -> None:
        """Make the place.

        Raises:
            OutputError: Nothing can be written there.
            ConfigError: Two processes could make the same file there.
        """
        ...

    def create(self, name: str, content: bytes) -> bool:
        """Make a file that must not exist; tell whether it holds this content."""
        ...

    def look(self, name: str) -> Seen | None:
        """Return what a file holds; None where there is none."""
        ...

    def replace(self, name: str, content: bytes) -> None:
        """Write a file of this process anew."""
        ...

    def touch(self, name: str, content: bytes) -> None:
        """Give a file of this process another version, without changing its content."""
        ...


@dataclass(frozen=True, slots=True)
class DiskFiles:
    """Files in a folder; see ``SharedFiles``. All raise ``OSError`` or ``OutputError``."""

    folder: Path

    def __str__(self) -> str:
        return str(self.folder)

    def prepare(self) -> None:
        """Make the folder."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"output folder '{self.folder.parent}': nothing can be written there "
                f"({explain(error)}); choose another --out"
            ) from error

    def create(self, name: str, content: bytes) -> bool:
        """Make a file; only one process can."""
        return create_whole(self.folder / name, content)

    def look(self, name: str) -> Seen | None:
        """Read a file."""
        try:
            with (self.folder / name).open("rb") as file:
                changed = os.fstat(file.fileno()).st_mtime_ns
                return Seen(file.read(), str(changed), changed / 1e9)
        except FileNotFoundError:
            return None

    def replace(self, name: str, content: bytes) -> None:
        """Write a file aside and rename it."""
        with write_aside(self.folder / name) as aside:
            aside.write_bytes(content)

    def touch(self, name: str, content: bytes) -> None:  # noqa: ARG002 - a disk keeps it
        """Renew the time of change, if the file is there."""
        os.utime(self.folder / name)


@dataclass(frozen=True, slots=True)
class LoneFiles:
    """Files that only this process sees, for one that shares nothing; see ``SharedFiles``."""

    _files: dict[str, bytes] = field(default_factory=dict)

    def prepare(self) -> None:
        """Nothing to prepare."""

    def create(self, name: str, content: bytes) -> bool:
        """Keep a file; there is nobody else to make it."""
        return self._files.setdefault(name, content) == content

    def look(self, name: str) -> Seen | None:
        """Return what was kept."""
        content = self._files.get(name)
        return None if content is None else Seen(content, "", 0.0)

    def replace(self, name: str, content: bytes) -> None:
        """Keep something else."""
        self._files[name] = content

    def touch(self, name: str, content: bytes) -> None:
        """Nothing to do: nobody looks."""


def shared_files(place: Place) -> SharedFiles:
    """Return the shared files of a place."""
    if isinstance(place, Path):
        return DiskFiles(place)
    # Late, because the network libraries take as long to load as all else together.
    from dfaseg.sharing.store_files import StoreFiles  # noqa: PLC0415

    return StoreFiles(place)
