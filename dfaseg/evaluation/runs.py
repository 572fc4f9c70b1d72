"""Finished runs, read from their folders: those of ``dfaseg train`` and of ``dfaseg eval``."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfaseg.errors import ConfigError
from dfaseg.evaluation.model_on_split import card_facts
from dfaseg.evaluation.results import FORMAT, EvalResult, result_of_training
from dfaseg.model.checkpoint import read_card

SCORES, CONFIG = "scores.json", "config.toml"
TITLE = "evaluation"
"""Setting of an evaluation of which no settings are known: its title."""
_PLACE_TABLE = "run"
"""Table of a run's settings that says where it was trained, which has no part in the result."""
_NOT_METHOD = frozenset({"seed", "bias.baseline_dice"})
"""Settings that differ between runs of one method: the Dice of a baseline has that one's seed."""


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run that can be compared.

    Attributes:
        path: Its folder.
        settings: Everything that makes its method, by dotted name; the seed is not among them.
        seed: Origin of its random numbers; None where it is unknown.
        result: What it scored.
    """

    path: Path
    settings: Mapping[str, Any]
    seed: int | None
    result: EvalResult


def read_run(path: Path, split: str = "test") -> Run:
    """Read the folder of a run.

    Args:
        path: What ``dfaseg train`` or ``dfaseg eval`` wrote to.
        split: Which split of a training run is compared: val or test.

    Raises:
        ConfigError: The folder holds no scores, or those of something else.
        CheckpointError: The model of a training run cannot be read.
    """
    if path.is_file() or path.suffix == ".zarr":
        raise ConfigError(
            f"run '{path}': is no folder of a finished run; to score it as a prediction, say with"
            " --truth against what"
        )
    record = _read_scores(path / SCORES)
    if record.get("format") == FORMAT:
        try:
            result = EvalResult.from_record(record)
        except ConfigError as error:
            raise ConfigError(f"run '{path}': {error}; evaluate again") from error
        settings = result.facts.get("settings") or {TITLE: result.title}
        return Run(path, settings, result.facts.get("seed"), result)
    return _read_training(path, record, split)


def _read_training(path: Path, record: Mapping[str, Any], split: str) -> Run:
    if split not in record:
        raise ConfigError(
            f"run '{path}': its {SCORES} has no scores of a split '{split}'; give the folder of a"
            " finished run"
        )
    card = read_card(path / "model.safetensors")
    settings = read_settings(path)
    facts = dict(card_facts(card)) | {"epoch": record.get("epoch"), "split": split}
    result = result_of_training(record[split], card.classes, path.name, facts)
    return Run(path, settings, card.seed, result)


def read_settings(path: Path) -> dict[str, Any]:
    """Read the settings that make the method of a training run, by dotted name.

    Raises:
        ConfigError: The run has no ``config.toml`` that can be read.
    """
    config = path / CONFIG
    try:
        tables = tomllib.loads(config.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"run '{path}': its config.toml cannot be read ({error}); give the folder of a run"
        ) from error
    tables.pop(_PLACE_TABLE, None)
    return {name: value for name, value in _flatten(tables) if name not in _NOT_METHOD}


def settings_beside(model: Path) -> dict[str, Any] | None:
    """Return the settings of the run that a model file lies in; None where it lies elsewhere.

    Raises:
        ConfigError: There is a ``config.toml`` that cannot be read.
    """
    folder = model.parent
    return read_settings(folder) if (folder / CONFIG).is_file() else None


def _read_scores(path: Path) -> Mapping[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ConfigError(
            f"run '{path.parent}': its {SCORES} cannot be read ({error}); give the folder of a"
            " finished run"
        ) from error
    if not isinstance(record, dict):
        raise ConfigError(f"run '{path.parent}': its {SCORES} holds no scores")
    return record


def _flatten(tables: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tables.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
