"""How a training run stands, by what lies in its folder; loads neither torch nor data."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dfaseg.training.run_folder import RunFolder
from dfaseg.training.runlog import EpochRecord, best_record, read_log

Word = Literal["done", "in work", "interrupted"]


@dataclass(frozen=True, slots=True)
class RunStanding:
    """How a training run stands.

    Attributes:
        word: ``interrupted`` where it is not done and no process works on it. Where the disk has
            no locks, or keeps them to one machine, a run at work elsewhere seems so, too.
        finished: Epochs that are done.
        num_epochs: Epochs that were asked for; a run with patience may be done before.
        best: The epoch of the best macro Dice on the validation split; None before the first.
    """

    word: Word
    finished: int
    num_epochs: int
    best: EpochRecord | None


def read_standing(path: Path) -> RunStanding | None:
    """Look into a folder; return None where no training run has begun.

    Raises:
        ConfigError: Its log is damaged.
    """
    folder = RunFolder(path)
    if not folder.has_config:
        return None
    settings = tomllib.loads(folder.config.read_text(encoding="utf-8"))
    history = read_log(folder.log).history if folder.log.is_file() else ()
    num_epochs, patience = settings.get("epochs", 0), settings.get("patience", 0)
    # A run that goes on after its end has the scores of before.
    is_done = folder.scores.is_file() and (patience > 0 or len(history) >= num_epochs)
    word: Word = "in work" if folder.is_at_work else "done" if is_done else "interrupted"
    return RunStanding(word, len(history), num_epochs, best_record(history))
