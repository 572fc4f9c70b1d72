"""Where a run makes its results, and how they get to where they are wanted.

| results go to | made in | state of an interrupted run | published by |
|---|---|---|---|
| a disk | the hidden folder beside them | the same folder | renaming |
| a disk, with ``--scratch`` | scratch | one file in the hidden folder | copying there, renaming |
| an object store | scratch | one object in the hidden place | uploading, the record last |
"""

import logging
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from dfaseg.errors import ClaimLostError, ConfigError, OutputError
from dfaseg.files import copy_whole, explain, flush_folder, locked, write_aside
from dfaseg.inference.outputs import PUBLISHING, OutputPaths
from dfaseg.inference.parked import PARKED_FILE, clear, pack, unpack
from dfaseg.inference.spec import PredictSpec
from dfaseg.inference.state import STATE_FILE, load_state
from dfaseg.storage.scratch import Scratch, default_scratch
from dfaseg.storage.store_path import StorePath

if TYPE_CHECKING:
    from dfaseg.inference.store_outputs import StoreOutputs

    Outputs = OutputPaths | StoreOutputs

log = logging.getLogger(__name__)

PARKING_SHARE = 0.05
"""Most of the time that goes into parking: packing a large state every half minute would load the
very disk that scratch is there to spare."""


class Workshop(Protocol):
    """Where the results of one slide are made."""

    @property
    def outputs(self) -> "Outputs":
        """Where the results go."""
        ...

    @property
    def work(self) -> OutputPaths:
        """The results while they are made; its hidden folder is the one to work in."""
        ...

    def held(self) -> AbstractContextManager[None]:
        """Hold the result for this run, with a folder to work in."""
        ...

    def fetch(self) -> None:
        """Put what an earlier run has saved into the folder, if it is not there."""
        ...

    def park(self) -> None:
        """Put the state that was just saved where a later run finds it, if it is time to."""
        ...

    def publish(self) -> None:
        """Give all finished files their final names and leave nothing else."""
        ...


@dataclass(slots=True)
class InPlace:
    """Results are made beside their final places; see ``Workshop``.

    Args:
        outputs: The final places.
    """

    outputs: OutputPaths

    @property
    def work(self) -> OutputPaths:
        """The same: only names are missing."""
        return self.outputs

    def held(self) -> AbstractContextManager[None]:
        """Lock the hidden folder, and remove it after a failure that leaves nothing to go on."""
        return _held(self.work.partial)

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
        self.work.publish()


@dataclass(slots=True)
class _Pace:
    """Says when parking is worth its time."""

    ended: float = field(default_factory=time.monotonic)
    took: float = 0.0

    @property
    def is_due(self) -> bool:
        return time.monotonic() - self.ended >= self.took / PARKING_SHARE

    @contextmanager
    def measured(self) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.ended = time.monotonic()
        self.took = self.ended - started


@dataclass(slots=True)
class OnScratch:
    """Results are made on a scratch disk and copied to a disk; see ``Workshop``.

    Args:
        outputs: The final places.
        folder: Where to work.
    """

    outputs: OutputPaths
    folder: Path
    work: OutputPaths = field(init=False)
    _pace: _Pace = field(default_factory=_Pace)

    def __post_init__(self) -> None:
        self.work = replace(self.outputs, partial=self.folder)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Lock the hidden folder beside the final places; empty the working folder at the end."""
        with _held(self.outputs.partial), _working_in(self.folder, self._park_now):
            yield

    def fetch(self) -> None:
        """Unpack what is parked, or copy what a run without a scratch disk has left."""
        hidden = self.outputs.partial
        if (hidden / PARKED_FILE).exists():
            unpack(hidden / PARKED_FILE, self.folder)
        elif (hidden / STATE_FILE).exists():
            with _explained(self.folder):
                shutil.copytree(hidden, self.folder, dirs_exist_ok=True)
                (self.folder / "lock").unlink()

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
            with _explained(final):
                copy_whole(self.work.made(final), self.outputs.made(final))
        flush_folder(hidden)
        self.outputs.publish()

    def _park_now(self) -> None:
        with write_aside(self.outputs.partial / PARKED_FILE) as aside:
            pack(self.folder, aside)


@dataclass(slots=True)
class ForStore:
    """Results are made on a scratch disk and uploaded; see ``Workshop``.

    Args:
        outputs: The final places.
        folder: Where to work.
        overwrite: Whether results that are there may be replaced.
    """

    outputs: "StoreOutputs"
    folder: Path
    overwrite: bool
    work: OutputPaths = field(init=False)
    _pace: _Pace = field(default_factory=_Pace)

    def __post_init__(self) -> None:
        names = OutputPaths.beside(
            self.folder / self.outputs.mask.name, self.folder / self.outputs.polygons.name
        )
        self.work = replace(names, partial=self.folder)

    def held(self) -> AbstractContextManager[None]:
        """Empty the working folder at the end; a store has no locks."""
        return _working_in(self.folder, self._park_now)

    def fetch(self) -> None:
        """Download and unpack what is parked."""
        from dfaseg.storage.objects import download  # noqa: PLC0415 - loads network libraries

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
        from dfaseg.storage.objects import upload  # noqa: PLC0415 - loads network libraries

        packed = self.folder.with_suffix(".tar")
        with _explained(packed):
            pack(self.folder, packed)
        upload(packed, self.outputs.parked)
        packed.unlink()


def outputs_of(spec: PredictSpec) -> "Outputs":
    """Return where the results of a run go.

    Raises:
        ConfigError: Mask and polygons are to go to different kinds of places.
    """
    out, polygons = spec.out, spec.geojson
    if isinstance(out, Path) and not isinstance(polygons, StorePath):
        return OutputPaths.beside(out, polygons)
    if isinstance(out, StorePath) and not isinstance(polygons, Path):
        from dfaseg.inference.store_outputs import StoreOutputs  # noqa: PLC0415 - network libraries

        return StoreOutputs.beside(out, polygons)
    raise ConfigError(
        f"--geojson {polygons}: must go to where --out {out} goes, both to a disk or both to an "
        "object store"
    )


def workshop_of(spec: PredictSpec, scratch: Scratch | None) -> Workshop:
    """Return where the results of a run are made.

    Args:
        spec: What is asked for.
        scratch: This process's scratch folder; None makes results beside their final places.
    """
    outputs = outputs_of(spec)
    if scratch is None:
        assert isinstance(outputs, OutputPaths)  # a store cannot be worked in: see scratch_of
        return InPlace(outputs)
    folder = scratch.folder / f"{outputs.mask.name}.work"
    if isinstance(outputs, OutputPaths):
        return OnScratch(outputs, folder)
    return ForStore(outputs, folder, overwrite=spec.overwrite)


@contextmanager
def scratch_of(spec: PredictSpec) -> Iterator[Scratch | None]:
    """Open a scratch folder where one is asked for or needed.

    Raises:
        OutputError: It cannot be used.
    """
    if spec.scratch is None and isinstance(spec.out, Path):
        yield None
        return
    with Scratch(spec.scratch or default_scratch()) as scratch:
        yield scratch


@contextmanager
def _held(hidden: Path) -> Iterator[None]:
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
def _working_in(folder: Path, park: Callable[[], None]) -> Iterator[None]:
    """Make a folder to work in, and remove it at the end; after a failure, park what it holds."""
    with _explained(folder):
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
def _explained(place: Path) -> Iterator[None]:
    """Say in one line which file failed."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"output '{place}': cannot be written ({explain(error)})") from error
