"""Folders that a run holds while it works: what becomes of them when it fails, and when to park."""

import logging
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dfaseg.errors import ClaimLostError, OutputError
from dfaseg.files import explain, locked
from dfaseg.inference.hidden_folder import PUBLISHING
from dfaseg.inference.parked import PARKED_FILE
from dfaseg.inference.state import load_state

log = logging.getLogger(__name__)

PARKING_SHARE = 0.05
"""Most of the time that goes into parking: packing a large state every half minute would load the
very disk that scratch is there to spare."""


@dataclass(slots=True)
class Pace:
    """Says when parking is worth its time."""

    ended: float = field(default_factory=time.monotonic)
    took: float = 0.0

    @property
    def is_due(self) -> bool:
        """Whether enough time has passed since the last."""
        return time.monotonic() - self.ended >= self.took / PARKING_SHARE

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Note when parking ends, and how long it took."""
        started = time.monotonic()
        yield
        self.ended = time.monotonic()
        self.took = self.ended - started


@contextmanager
def held_folder(hidden: Path) -> Iterator[None]:
    """Lock a hidden folder; remove it after a failure if a later run could not go on from it."""
    with locked(hidden):
        try:
            yield
        except ClaimLostError:
            raise  # the folder is another's now
        except BaseException:
            is_of_use = (hidden / PUBLISHING).exists() or (hidden / PARKED_FILE).exists()
            if not is_of_use and load_state(hidden) is None:
                shutil.rmtree(hidden, ignore_errors=True)
            raise


@contextmanager
def working_folder(folder: Path, park: Callable[[], None]) -> Iterator[None]:
    """Make a folder to work in, and remove it at the end; after a failure, park what it holds."""
    with explained(folder):
        folder.mkdir()
    try:
        yield
    except ClaimLostError:
        raise  # the parked state is another's now
    except BaseException:
        if load_state(folder) is not None:
            try:
                park()
            except OutputError as error:
                log.warning("the state of the interrupted run is lost: %s", error)
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def explained(place: Path) -> Iterator[None]:
    """Say in one line which file failed."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"output '{place}': cannot be written ({explain(error)})") from error
