"""Evaluations that only their title names, told apart where several have the same."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from os.path import commonpath
from pathlib import Path

import numpy as np

from dfaseg.errors import ConfigError
from dfaseg.evaluation.results import EvalResult
from dfaseg.evaluation.runs import TITLE, Run

PREDICTIONS, FOLDER = "predictions", "folder"
"""Settings that stand for where predictions, or the evaluations themselves, lie."""
_BIAS_MODE = "bias.mode"


def tell_apart(runs: Sequence[Run]) -> list[Run]:
    """Give evaluations of the same title a setting that tells them apart.

    Those of models with other class biases get the bias; those that would still be one method with
    one seed get as few components as differ of the path of their predictions, or, where these lie
    in the same place or are not known, of their own.

    Args:
        runs: In any order, which is kept.

    Raises:
        ConfigError: Two are the same evaluation.
    """
    told = list(runs)
    for places in _alike(told):
        if len({_bias_mode(told[place]) for place in places}) > 1:
            _add(told, {place: (_BIAS_MODE, _bias_mode(told[place])) for place in places})
    for places in _alike(told):
        group = [told[place] for place in places]
        if len({run.seed for run in group}) < len(group):
            _refuse_same(group)
            key, names = _name_places(group)
            _add(told, {place: (key, name) for place, name in zip(places, names, strict=True)})
    return told


def _alike(runs: Sequence[Run]) -> Iterator[list[int]]:
    """Yield the places of runs that only a title names, and have it in common."""
    groups: dict[str, list[int]] = {}
    for place, run in enumerate(runs):
        if TITLE in run.settings:
            groups.setdefault(repr(sorted(run.settings.items())), []).append(place)
    yield from groups.values()


def _bias_mode(run: Run) -> str:
    return str(run.result.facts.get("bias_mode") or "unknown")


def _add(runs: list[Run], settings: Mapping[int, tuple[str, str]]) -> None:
    for place, (key, value) in settings.items():
        runs[place] = replace(runs[place], settings={**runs[place].settings, key: value})


def _refuse_same(group: Sequence[Run]) -> None:
    for index, run in enumerate(group):
        for other in group[:index]:
            if run.seed == other.seed and _is_same(run.result, other.result):
                raise ConfigError(
                    f"run '{run.path}': is the same evaluation as '{other.path}', of the same"
                    " files and with the same counts; leave out one of them"
                )


def _is_same(one: EvalResult, other: EvalResult) -> bool:
    """Tell whether two evaluations are of the same files and counted the same."""
    mine, yours = one.by_case(), other.by_case()
    return (
        one.facts == other.facts
        and mine.keys() == yours.keys()
        and all(np.array_equal(mine[case], yours[case]) for case in mine)
    )


def _name_places(group: Sequence[Run]) -> tuple[str, list[str]]:
    """Return what kind of place tells all runs apart, and the differing parts of each."""
    predictions = [_predictions(run.result) for run in group]
    names = _differing_parts([path for path in predictions if path is not None])
    # The working directory of an evaluation is not known, and "." would be no name.
    if len(set(names)) == len(group) and "." not in names:
        return PREDICTIONS, names
    return FOLDER, _differing_parts([run.path.resolve() for run in group])


def _predictions(result: EvalResult) -> Path | None:
    """Return the folder that all predictions lie in; None for other evaluations."""
    pairs = result.facts.get("pairs")
    if not pairs:
        return None
    parents = [Path(pair["prediction"]).parent for pair in pairs.values()]
    absolute = {parent.is_absolute() for parent in parents}
    return Path(commonpath(parents)) if len(absolute) == 1 else None


def _differing_parts(paths: Sequence[Path]) -> list[str]:
    """Return those components of each path, counted from its end, by which they differ."""
    ends = [path.parts[::-1] for path in paths]
    chosen: list[int] = []
    for depth in range(max(map(len, ends), default=0)):
        if len(set(_picked(ends, [*chosen, depth]))) > len(set(_picked(ends, chosen))):
            chosen.append(depth)
    picked = _picked(ends, sorted(chosen, reverse=True))
    return ["/".join(parts) or str(path) for parts, path in zip(picked, paths, strict=True)]


def _picked(ends: Sequence[Sequence[str]], depths: Sequence[int]) -> list[tuple[str, ...]]:
    return [tuple(end[depth] for depth in depths if depth < len(end)) for end in ends]
