"""The folder of a run: which file lies where, and that no earlier run is overwritten."""

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dfaseg.errors import CheckpointError, OutputError, OutputExistsError
from dfaseg.files import explain, is_locked, locked, write_aside

RUN_TABLE = "run"
"""Table of the settings for what has no part in the result: where the data lie and what trained on
them. A run writes it always, people do not."""
_LOCK_FILE = ".lock"


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
        with locked(self.path, _LOCK_FILE):
            yield

    @property
    def is_at_work(self) -> bool:
        """Whether some process holds the folder now."""
        return is_locked(self.path, _LOCK_FILE)

    @property
    def has_config(self) -> bool:
        """Whether a run has written its settings there."""
        try:
            return RUN_TABLE in tomllib.loads(self.config.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False

    def require_free(self) -> None:
        """Refuse a folder that holds a run, or files of others where a run has its own.

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
        # A run that was stopped in its first epoch leaves settings and nothing else.
        for path in (self.log, self.scores, *(() if self.has_config else (self.config,))):
            if path.exists():
                raise OutputExistsError(
                    f"run folder '{self.path}': holds a {path.name} that a run would replace; move"
                    " it away or choose another --out"
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

    def write_config(self, text: str) -> None:
        """Write the settings, whole or not at all.

        Raises:
            OutputError: The file cannot be written.
        """
        with write_aside(self.config) as aside:
            aside.write_text(text, encoding="utf-8")
