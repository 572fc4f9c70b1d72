"""Runs can be compared only if they were scored on the same pixels of the same cases."""

import math
from collections.abc import Sequence, Set

import numpy as np

from dfaseg.errors import ConfigError
from dfaseg.evaluation.records import CountArray
from dfaseg.evaluation.results import EvalResult
from dfaseg.evaluation.runs import Run

_NAMES_SHOWN = 3


def require_same_pixels(runs: Sequence[Run]) -> None:
    """Refuse runs that were not scored on the same pixels of the same cases.

    Raises:
        ConfigError: Classes, those left out of the means, cases, resolution or scored pixels
            differ; the message says which.
    """
    first = runs[0]
    cases = first.result.by_case()
    for run in runs[1:]:
        if run.result.class_map.names != first.result.class_map.names:
            raise ConfigError(
                f"run '{run.path}': its classes are not those of '{first.path}'; compare runs on"
                " the same data set"
            )
        if run.result.unscored != first.result.unscored:
            raise ConfigError(
                f"run '{run.path}': does not leave the same classes out of its means as"
                f" '{first.path}'; evaluate both with the same --ignore"
            )
        own = run.result.by_case()
        if own.keys() != cases.keys():
            raise ConfigError(
                f"run '{run.path}': was not scored on the cases of '{first.path}' (only here:"
                f" {_listed(own.keys() - cases.keys())}; only there:"
                f" {_listed(cases.keys() - own.keys())}); compare runs on the same split"
            )
        for case, counts in own.items():
            if not np.array_equal(counts.sum(axis=1), cases[case].sum(axis=1)):
                raise ConfigError(f"run '{run.path}': {_what_differs(run, first, case)}")


def _what_differs(run: Run, first: Run, case: str) -> str:
    """Say why other pixels of a case were scored, as far as the evaluations know, and what to do.

    Args:
        run: A run.
        first: The run that it is compared with.
        case: A case of both of which they scored other pixels.
    """
    here, there = run.result, first.result
    if here.mpp and there.mpp and not math.isclose(here.mpp, there.mpp, rel_tol=1e-3):
        return (
            f"was scored at {here.mpp:g} µm per pixel, '{first.path}' at {there.mpp:g}; compare"
            " runs at the same resolution"
        )
    scored, expected = (result.by_case()[case].sum(axis=1) for result in (here, there))
    left_out, left_there = _left_out(here, case), _left_out(there, case)
    if left_out is not None and left_there is not None and np.array_equal(
        scored + left_out, expected + left_there
    ):  # fmt: skip
        index = int(np.abs(left_out - left_there).argmax())
        return (
            f"in case '{case}' its prediction left out {left_out[index]:,} pixels of"
            f" {here.class_map[index].name} (255 or beyond its edge), that of '{first.path}'"
            f" {left_there[index]:,}; compare predictions that analysed the same pixels"
        )
    index = int(np.abs(scored - expected).argmax())
    return (
        f"{scored[index]:,} pixels of {here.class_map[index].name} were scored in case '{case}',"
        f" {expected[index]:,} in '{first.path}'; compare runs on the same truth, with the same"
        " pixels ignored, at the same resolution"
    )


def _left_out(result: EvalResult, case: str) -> CountArray | None:
    """Return how many true pixels of each class were not analysed, ``(k,)``; None where unknown."""
    pairs = result.facts.get("pairs")
    if not pairs:
        return None
    amounts = [
        [pairs[image.name]["left_out_by_class"][name] for name in result.class_map.names]
        for image in result.cases
        if image.case == case
    ]
    total: CountArray = np.array(amounts, np.int64).sum(axis=0)
    return total


def _listed(names: Set[str]) -> str:
    shown = sorted(names)[:_NAMES_SHOWN]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return ", ".join(shown) + more if shown else "none"
