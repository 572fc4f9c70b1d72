"""Evaluations of the same title are told apart by where predictions, or they themselves, lie."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfaseg.classmap import ClassMap
from dfaseg.errors import ConfigError
from dfaseg.evaluation.methods import find_method, group_runs
from dfaseg.evaluation.results import CaseResult, EvalResult
from dfaseg.evaluation.runs import TITLE, Run

CLASSES = ClassMap.from_records(
    [{"index": i, "name": f"class {i}", "colour": "#123456"} for i in range(2)]
)


def run(folder: str, facts: dict[str, Any], title: str = "predictions", wrong: int = 1) -> Run:
    """Return an evaluation of which no settings are known."""
    counts = np.array([[9, 1], [wrong, 9]])
    result = EvalResult(title, CLASSES, None, (CaseResult("s", "s", counts),), facts)
    return Run(Path(folder), {TITLE: title}, facts.get("seed"), result)


def of_masks(folder: str, *masks: str, title: str = "predictions", wrong: int = 1) -> Run:
    """Return an evaluation of masks."""
    pairs = {mask: {"prediction": mask, "truth": "truth/s.png"} for mask in masks}
    return run(folder, {"kind": "predictions", "pairs": pairs}, title, wrong)


def names(*runs: Run) -> list[str]:
    """Return what the methods of these runs are called."""
    return [method.name for method in group_runs(runs)]


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (("modelA/predictions", "modelB/predictions"), ["modelA", "modelB"]),
        (("/x/a/fold/out", "b/fold/out"), ["a", "b"]),
        (("a/1/out", "a/2/out", "b/1/out"), ["a/1", "a/2", "b/1"]),
        (("out", "b/out"), ["out", "b"]),
    ],
    ids=["parents", "grandparents", "two components", "one is shorter"],
)
def test_predictions_are_named_by_what_differs_in_their_path(
    folders: tuple[str, ...], expected: list[str]
) -> None:
    """As few components as tell them apart, in the order of the path."""
    runs = [of_masks(f"e{i}", f"{one}/s.png", f"{one}/t.png") for i, one in enumerate(folders)]

    assert names(*runs) == expected


def test_other_titles_stay_as_they_are() -> None:
    """Only namesakes need more than their title."""
    runs = [
        of_masks("eA", "modelA/predictions/s.png"),
        of_masks("eB", "modelB/predictions/s.png"),
        of_masks("eC", "ensemble/s.png", title="modelA"),
    ]

    assert names(*runs) == ["predictions, modelA", "predictions, modelB", "modelA"]


def test_predictions_of_one_place_are_named_by_their_evaluations() -> None:
    """A folder whose masks were replaced between two evaluations."""
    runs = [of_masks(f"/x/{one}/eval", "out/s.png", wrong=wrong)
            for wrong, one in enumerate(("before", "after"))]  # fmt: skip

    assert names(*runs) == ["before", "after"]


@pytest.mark.parametrize(
    ("first", "second"), [("out/s.png", "out/out/s.png"), ("s.png", "b/s.png")]
)
def test_paths_that_give_no_two_names_are_not_taken(first: str, second: str) -> None:
    """A folder of the same name above one of them, or masks in the working directory."""
    assert names(of_masks("eA", first), of_masks("eB", second)) == ["eA", "eB"]


def test_models_of_one_name_and_seed_are_named_by_their_evaluations() -> None:
    """Model files that were moved out of their run's folder have their card's name only."""
    title = "glas-small on glas, test split"
    runs = [run(f"e{sha}", {"model_sha256": sha, "seed": 0, "bias_mode": "dfa"}, title)
            for sha in "AB"]  # fmt: skip

    assert names(*runs) == ["eA", "eB"]


def test_models_of_one_name_and_other_bias_are_no_seeds_of_each_other() -> None:
    """Their card says which bias they have; seeds of one bias are one method."""
    runs = [run(f"{bias}-{seed}", {"seed": seed, "bias_mode": bias}, "glas-small on glas")
            for bias, seed in (("dfa", 0), ("none", 1), ("dfa", 2))]  # fmt: skip

    methods = group_runs(runs)

    assert [(one.name, one.seeds) for one in methods] == [("dfa", (0, 2)), ("none", (1,))]


def test_the_same_evaluation_twice_is_refused() -> None:
    """Of the same files, with the same counts."""
    with pytest.raises(ConfigError, match="run 'copy': is the same evaluation as 'eA'"):
        names(of_masks("eA", "out/s.png"), of_masks("copy", "out/s.png"))


def test_the_same_folder_twice_is_refused() -> None:
    """However it is written."""
    with pytest.raises(ConfigError, match=r"run 'x/\.\./eA': is the same folder as 'eA'"):
        names(of_masks("eA", "a/s.png"), of_masks("x/../eA", "a/s.png"))


def test_folder_name_of_several_methods_is_no_reference() -> None:
    """The first of them would be taken for what was meant."""
    methods = group_runs([of_masks("a/eval", "a/out/s.png"), of_masks("b/eval", "b/out/s.png")])

    assert find_method(methods, "b") is methods[1]
    with pytest.raises(ConfigError, match="runs of several methods lie in folders of that name"):
        find_method(methods, "eval")


def test_reference_may_be_the_folder_of_a_run() -> None:
    """As the shell completes it; it tells runs apart whose folders have one name."""
    methods = group_runs([of_masks("a/eval", "a/out/s.png"), of_masks("b/eval", "b/out/s.png")])

    assert find_method(methods, "./b/eval/") is methods[1]
