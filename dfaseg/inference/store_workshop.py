"""Results that go to an object store, made on a scratch disk."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

from dfaseg.inference.outputs import OutputPaths
from dfaseg.inference.parked import pack, unpack
from dfaseg.inference.store_outputs import StoreOutputs
from dfaseg.inference.working_folders import Pace, explained, working_folder
from dfaseg.storage.objects import download, upload


@dataclass(slots=True)
class ForStore:
    """Results are made on a scratch disk and uploaded; see ``Workshop``.

    Args:
        outputs: The final places.
        folder: Where to work.
        overwrite: Whether results that are there may be replaced.
    """

    outputs: StoreOutputs
    folder: Path
    overwrite: bool
    work: OutputPaths = field(init=False)
    _pace: Pace = field(default_factory=Pace)

    def __post_init__(self) -> None:
        names = OutputPaths.beside(
            self.folder / self.outputs.mask.name, self.folder / self.outputs.polygons.name
        )
        self.work = replace(names, partial=self.folder)

    def held(self) -> AbstractContextManager[None]:
        """Empty the working folder at the end; a store has no locks."""
        return working_folder(self.folder, self._park_now)

    def fetch(self) -> None:
        """Download and unpack what is parked."""
        packed = self.folder.with_suffix(".tar")
        if download(self.outputs.parked, packed):
            unpack(packed, self.folder)
            packed.unlink()

    def park(self) -> None:
        """Pack the working folder into one object."""
        if self._pace.is_due:
            with self._pace.measured():
                self._park_now()

    def publish(self) -> None:
        """Upload all files, the record last."""
        self.outputs.publish(self.work, overwrite=self.overwrite)

    def _park_now(self) -> None:
        packed = self.folder.with_suffix(".tar")
        with explained(packed):
            pack(self.folder, packed)
        upload(packed, self.outputs.parked)
        packed.unlink()
