"""Per-class Dice of an earlier run: the prior of mode hcfa, and what delta is compared with."""

import math
from collections.abc import Sequence
from pathlib import Path

from dfaseg.errors import ConfigError
from dfaseg.model.checkpoint import read_card
from dfaseg.training.run_folder import RunFolder


def read_baseline_dice(path: Path, class_names: Sequence[str]) -> tuple[float, ...]:
    """Read the Dice of each class on the validation split of an earlier run.

    The validation split and not the test split: what training learns from must not have seen the
    images it is tested on.

    Args:
        path: Folder of the run, or its model file.
        class_names: Classes of the new run, in index order.

    Returns:
        One Dice per class; NaN for a class that did not occur.

    Raises:
        CheckpointError: There is no such model.
        ConfigError: Its classes are others, or its card holds no scores.
    """
    card = read_card(RunFolder(path).model if path.is_dir() else path)
    if card.classes.names != tuple(class_names):
        raise ConfigError(
            f"baseline '{path}': its classes ({', '.join(card.classes.names)}) are not those of"
            f" this data set ({', '.join(class_names)}); train the baseline on the same data"
        )
    try:
        classes = card.metrics["val"]["classes"]
        dice = [classes[name]["dice"] for name in class_names]
    except (KeyError, TypeError) as error:
        raise ConfigError(
            f"baseline '{path}': its card holds no scores of a validation split; give a run of"
            " 'dfaseg train'"
        ) from error
    return tuple(math.nan if value is None else float(value) for value in dice)
