"""Where a run makes its results, and how they get to where they are wanted.

| results go to | made in | state of an interrupted run | published by |
|---|---|---|---|
| a disk | the hidden folder beside them | the same folder | renaming |
| a disk, with ``--scratch`` | scratch | one file in the hidden folder | copying there, renaming |
| an object store | scratch | one object in the hidden place | uploading, the record last |
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from dfaseg.errors import ConfigError
from dfaseg.inference.disk_workshops import InPlace, OnScratch
from dfaseg.inference.outputs import OutputPaths
from dfaseg.inference.spec import PredictSpec
from dfaseg.storage.scratch import Scratch, default_scratch
from dfaseg.storage.store_path import StorePath

if TYPE_CHECKING:
    from dfaseg.inference.store_outputs import StoreOutputs

    Outputs = OutputPaths | StoreOutputs


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
        return InPlace(outputs, spec.overwrite)
    folder = scratch.folder / f"{outputs.mask.name}.work"
    if isinstance(outputs, OutputPaths):
        return OnScratch(outputs, folder, spec.overwrite)
    from dfaseg.inference.store_workshop import ForStore  # noqa: PLC0415 - network libraries

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
