"""Runs that differ in nothing but their seed are one method; its name says what sets it apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dfaseg.errors import ConfigError
from dfaseg.evaluation.namesakes import FOLDER, PREDICTIONS, tell_apart
from dfaseg.evaluation.records import FloatArray
from dfaseg.evaluation.runs import TITLE, Run

_TOLD_FIRST = ("bias.mode", "loss.name")
"""What methods are named after if it tells them apart."""
_BARE = frozenset({*_TOLD_FIRST, TITLE, PREDICTIONS, FOLDER, "model"})
"""Settings whose value needs no name beside it."""


@dataclass(frozen=True, slots=True)
class Method:
    """One method and its runs.

    Attributes:
        name: What sets it apart from the others.
        runs: Its runs, by seed.
    """

    name: str
    runs: tuple[Run, ...]

    @property
    def settings(self) -> Mapping[str, Any]:
        """What all its runs share."""
        return self.runs[0].settings

    @property
    def seeds(self) -> tuple[int | None, ...]:
        """Seed of each run."""
        return tuple(run.seed for run in self.runs)

    def dice(self) -> FloatArray:
        """Return Dice of each class in each run, ``(runs, k)``."""
        return np.stack([run.result.pooled().dice for run in self.runs])

    def macro_dice(self) -> FloatArray:
        """Return macro Dice of each run, ``(runs,)``."""
        return np.array([run.result.pooled().macro_dice for run in self.runs])

    def delta(self) -> FloatArray | None:
        """Return the learned delta minus its mean over the classes, ``(runs, k)``.

        Layers and heads with a delta of their own are averaged. None where none was learned.
        """
        num_classes = len(self.runs[0].result.class_map)
        found = [run.result.facts.get("delta") for run in self.runs]
        if not all(found):
            return None
        sets = [np.asarray(delta, np.float64).reshape(-1, num_classes) for delta in found]
        means = np.stack([delta.mean(axis=0) for delta in sets])
        centred: FloatArray = means - means.mean(axis=1, keepdims=True)
        return centred


def group_runs(runs: Sequence[Run]) -> tuple[Method, ...]:
    """Gather runs into methods, in the order in which they were given.

    Raises:
        ConfigError: Two runs are of the same method and seed, or are the same evaluation.
    """
    _refuse_repeats(runs)
    groups: dict[str, list[Run]] = {}
    for run in tell_apart(runs):
        groups.setdefault(repr(sorted(run.settings.items())), []).append(run)
    for group in groups.values():
        _refuse_twins(group)
    names = _name_groups([group[0].settings for group in groups.values()])
    return tuple(
        Method(name, tuple(sorted(group, key=lambda run: -1 if run.seed is None else run.seed)))
        for name, group in zip(names, groups.values(), strict=True)
    )


def find_method(methods: Sequence[Method], wanted: str) -> Method:
    """Return the method of that name, or that has a run in that folder, or in one of that name.

    Raises:
        ConfigError: There is none, or there are folders of that name with runs of several.
    """
    by_name = [method for method in methods if method.name == wanted]
    folder = Path(wanted).resolve()
    by_folder = [one for one in methods if folder in {run.path.resolve() for run in one.runs}]
    by_folder_name = [one for one in methods if wanted in {run.path.name for run in one.runs}]
    found = by_name or by_folder or by_folder_name
    if len(found) == 1:
        return found[0]
    names = "; ".join(f"'{method.name}'" for method in methods)
    if found:
        raise ConfigError(
            f"reference '{wanted}': runs of several methods lie in folders of that name; give one"
            f" of {names}"
        )
    raise ConfigError(
        f"reference '{wanted}': no such method; give one of {names}, or the folder of a run"
    )


def differing_settings(methods: Sequence[Method]) -> dict[str, Mapping[str, Any]]:
    """Return for each method, by name, those of its settings that others do not share."""
    keys = sorted({key for method in methods for key in method.settings})
    told = [key for key in keys if _num_distinct([m.settings for m in methods], [key]) > 1]
    return {
        method.name: {key: method.settings[key] for key in told if key in method.settings}
        for method in methods
    }


def _refuse_repeats(runs: Sequence[Run]) -> None:
    by_folder: dict[Path, Run] = {}
    for run in runs:
        other = by_folder.setdefault(run.path.resolve(), run)
        if other is not run:
            raise ConfigError(
                f"run '{run.path}': is the same folder as '{other.path}'; leave out one of them"
            )


def _refuse_twins(group: Sequence[Run]) -> None:
    by_seed: dict[int | None, Run] = {}
    for run in group:
        other = by_seed.setdefault(run.seed, run)
        if other is not run:
            raise ConfigError(
                f"run '{run.path}': has the settings and the seed of '{other.path}'; leave out one"
                " of them"
            )


def _name_groups(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name each group by as few settings as tell all of them apart."""
    chosen: list[str] = []
    keys = {key for group in settings for key in group}
    others = sorted(keys.difference(_TOLD_FIRST))
    for key in [*(key for key in _TOLD_FIRST if key in keys), *others]:
        if _num_distinct(settings, [*chosen, key]) > _num_distinct(settings, chosen):
            chosen.append(key)
    if chosen:
        return [_name_group(group, settings, chosen) for group in settings]
    # One method alone still says what it is.
    shown = [key for key in (*_TOLD_FIRST, TITLE) if key in keys]
    return [", ".join(_say(group, key) for key in shown) for group in settings]


def _name_group(
    group: Mapping[str, Any], settings: Sequence[Mapping[str, Any]], keys: Sequence[str]
) -> str:
    """Name a group by its first setting, and by further ones only as long as others share them."""
    said: list[str] = []
    alike = [other for other in settings if other is not group]
    for key in keys:
        differing = [other for other in alike if other.get(key) != group.get(key)]
        if key in group and (not said or differing):
            said.append(_say(group, key))
        alike = [other for other in alike if other.get(key) == group.get(key)]
    return ", ".join(said)


def _num_distinct(settings: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> int:
    return len({tuple(repr(group.get(key)) for key in keys) for group in settings})


def _say(group: Mapping[str, Any], key: str) -> str:
    value = group[key]
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if key in _BARE else f"{key.rpartition('.')[2]} {text}"
