"""What an interrupted run leaves behind: arrays written whole, trusted where they fit."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfaseg.files import write_aside, write_json

State = dict[str, NDArray[np.generic]]
"""What a part needs to go on in a later run: named arrays."""
SavedState = Mapping[str, NDArray[np.generic]]
"""The same, as it is read back."""

STATE_FILE = "state.npz"
RECIPE_FILE = "recipe"
"""Without an ending, so that it is never taken for polygons the user named ``recipe.json``."""


def joined(parts: Mapping[str, SavedState]) -> State:
    """Put the states of several parts into one, each name led by its part's."""
    return {f"{name}/{key}": value for name, part in parts.items() for key, value in part.items()}


def part_of(state: SavedState, name: str) -> State:
    """Return the state of one part of a joined one."""
    prefix = f"{name}/"
    return {
        key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)
    }


def save_state(folder: Path, state: SavedState) -> None:
    """Replace the saved state of a run by a newer one.

    Raises:
        OutputError: The state cannot be written.
    """
    with write_aside(folder / STATE_FILE) as aside, aside.open("wb") as file:
        np.savez(file, **state)  # type: ignore[arg-type]  # numpy types the keywords as flags


def load_state(folder: Path) -> State | None:
    """Return the saved state of an interrupted run; None where there is none to trust."""
    try:
        with (folder / STATE_FILE).open("rb") as file:
            saved = np.load(file, allow_pickle=False)
            return {name: saved[name] for name in saved.files}
    except (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile):
        return None


def save_recipe(folder: Path, recipe: Mapping[str, Any]) -> None:
    """Note down what the results in a folder will be made of."""
    write_json(folder / RECIPE_FILE, recipe)


def has_recipe(folder: Path, recipe: Mapping[str, Any]) -> bool:
    """Tell whether an interrupted run was making exactly these results."""
    try:
        saved = json.loads((folder / RECIPE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(saved == json.loads(json.dumps(recipe)))
