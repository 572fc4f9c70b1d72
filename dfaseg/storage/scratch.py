"""A folder on a local disk that belongs to one process, and that nothing of outlives it."""

import fcntl
import logging
import os
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from dfaseg.errors import OutputError
from dfaseg.files import explain

log = logging.getLogger(__name__)

_PREFIX = "dfaseg-scratch-"
_ATTEMPTS = 8


def default_scratch(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where scratch files go if nobody says: the job's own disk, or that for such files."""
    given = environment.get("SLURM_TMPDIR")
    return Path(given) if given else Path(tempfile.gettempdir())


@dataclass(slots=True)
class Scratch:
    """A folder of this process, made on entering and removed on leaving.

    It is locked while the process lives, however that ends, so that the next process knows a
    folder that was left behind, and removes it.

    Args:
        root: Folder on a local disk; must exist.
    """

    root: Path
    folder: Path = field(init=False)
    _handle: int = -1

    def __enter__(self) -> Self:
        try:
            self._remove_leftovers()
            self._make()
        except OSError as error:
            raise OutputError(
                f"scratch folder '{self.root}': cannot be used ({explain(error)}); give a folder "
                "on a local disk that you may write to"
            ) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._handle)

    def new_folder(self, name: str) -> Path:
        """Make an empty folder inside; an older one of that name is removed.

        Raises:
            OutputError: It cannot be made.
        """
        folder = self.folder / name
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        except OSError as error:
            raise OutputError(
                f"scratch folder '{self.root}': cannot be written ({explain(error)})"
            ) from error
        return folder

    def check_room(self, needed_bytes: int, what: str) -> None:
        """Make sure that something fits.

        Args:
            needed_bytes: How much it takes.
            what: What it is, e.g. "slide 'a.svs'".

        Raises:
            OutputError: It does not fit.
        """
        free = shutil.disk_usage(self.root).free
        if needed_bytes > free:
            raise OutputError(
                f"scratch folder '{self.root}': {what} needs {needed_bytes / 1e9:.2f} GB, but only "
                f"{free / 1e9:.2f} GB are free; free some, or give another --scratch"
            )

    def has_room(self, needed_bytes: int) -> bool:
        """Tell whether something fits."""
        return needed_bytes <= shutil.disk_usage(self.root).free

    def is_home_of(self, path: Path) -> bool:
        """Tell whether a file lies on the same disk, so that a copy would gain nothing."""
        return path.stat().st_dev == self.root.stat().st_dev

    def _make(self) -> None:
        for _ in range(_ATTEMPTS):
            folder = self.root / f"{_PREFIX}{secrets.token_hex(4)}"
            folder.mkdir(mode=0o700)
            handle = _locked(folder)
            # Between the two, another process may have taken it for a leftover.
            if handle is not None and folder.is_dir():
                self.folder, self._handle = folder, handle
                return
        raise OSError("folders made in it vanish")

    def _remove_leftovers(self) -> None:
        """Remove the folders of processes that have died."""
        for folder in self.root.glob(f"{_PREFIX}*"):
            handle = _locked(folder)
            if handle is None:
                continue
            log.info("scratch folder '%s': left by a run that was killed; removed", folder)
            shutil.rmtree(folder, ignore_errors=True)
            os.close(handle)


def _locked(folder: Path) -> int | None:
    """Lock a folder; None where a living process holds it, or it is somebody else's or gone."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return None
        return handle
    return None
