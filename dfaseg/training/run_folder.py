"""The folder of a run: which file lies where, and that no earlier run is overwritten."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfaseg.errors import CheckpointError, OutputError, OutputExistsError
from dfaseg.files import explain, locked, write_aside
from dfaseg.training.config import to_toml
from dfaseg.training.spec import TrainSpec


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where a run keeps its files.

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def model(self) -> Path:
        """The best epoch's weights with their card."""
        return self.path / "model.safetensors"

    @property
    def state(self) -> Path:
        """The last epoch's state, from which ``--resume`` goes on."""
        return self.path / "last.safetensors"

    @property
    def config(self) -> Path:
        """All settings."""
        return self.path / "config.toml"

    @property
    def log(self) -> Path:
        """One line per epoch."""
        return self.path / "log.csv"

    @property
    def scores(self) -> Path:
        """Scores of the best epoch on validation and test split, in all and by case."""
        return self.path / "scores.json"

    @property
    def plots(self) -> Path:
        """Pictures of the finished run."""
        return self.path / "plots"

    @property
    def tensorboard(self) -> Path:
        """Event files."""
        return self.path / "tensorboard"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make the folder and keep other runs out of it: each would write over the other's files.

        Raises:
            OutputError: Another run is at work in it, or it cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"run folder '{self.path}': cannot be made ({explain(error)})"
            ) from error
        with locked(self.path, ".lock"):
            yield

    def require_free(self) -> None:
        """Refuse a folder that holds a run.

        Raises:
            OutputExistsError: It does.
        """
        if self.state.exists():
            raise OutputExistsError(
                f"run folder '{self.path}': already holds a run; pass --resume to go on with it or"
                " choose another --out"
            )
        if self.model.exists():  # of a run killed in its first epoch, or whose state was removed
            raise OutputExistsError(
                f"run folder '{self.path}': holds {self.model.name} but no {self.state.name} to go"
                " on from; choose another --out or move the model away"
            )

    def require_state(self) -> None:
        """Refuse a folder that holds no run to go on with.

        Raises:
            CheckpointError: There is no state.
        """
        if not self.state.is_file():
            # A model that lies there alone is not overwritten by a new run.
            place = "choose another --out and " if self.model.exists() else ""
            raise CheckpointError(
                f"training state '{self.state}': not there; {place}leave out --resume to start a"
                " new run"
            )

    def write_config(self, spec: TrainSpec, run: Mapping[str, Any]) -> None:
        """Write the settings, whole or not at all.

        Raises:
            OutputError: The file cannot be written.
        """
        with write_aside(self.config) as aside:
            aside.write_text(to_toml(spec, run), encoding="utf-8")
