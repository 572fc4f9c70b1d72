"""Small files that processes share, as objects in a store."""

import secrets
from dataclasses import dataclass

from dfaseg.errors import ConfigError
from dfaseg.sharing.shared_files import Seen
from dfaseg.storage.objects import (
    create_object,
    object_facts,
    read_object,
    remove_objects,
    write_object,
)
from dfaseg.storage.store_path import StorePath


@dataclass(frozen=True, slots=True)
class StoreFiles:
    """Objects of one place; see ``SharedFiles``. All raise ``OutputError``."""

    folder: StorePath

    def __str__(self) -> str:
        return str(self.folder)

    def prepare(self) -> None:
        """Make sure that the store knows conditional writes: some take no notice of the condition.

        Raises:
            ConfigError: It does not.
        """
        trial = f"trial-{secrets.token_hex(8)}"
        is_sound = self.create(trial, b"first") and not self.create(trial, b"second")
        remove_objects([self.folder / trial])
        if not is_sound:
            raise ConfigError(
                f"output '{self.folder}': this store does not know conditional writes "
                "(If-None-Match), by which processes share slides; give each process its own with "
                "--shard I/N (1/1 if there is one)"
            )

    def create(self, name: str, content: bytes) -> bool:
        """Make an object; only one process can."""
        return create_object(self.folder / name, content)

    def look(self, name: str) -> Seen | None:
        """Read an object; None also where it is gone between two requests."""
        facts = object_facts(self.folder / name)
        content = None if facts is None else read_object(self.folder / name)
        if facts is None or content is None:
            return None
        return Seen(content, facts.version, facts.changed)

    def replace(self, name: str, content: bytes) -> None:
        """Write an object anew."""
        write_object(self.folder / name, content)

    def touch(self, name: str, content: bytes) -> None:
        """Write the object again, which gives it another time."""
        self.replace(name, content)
