"""Runs are gathered into methods and compared."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfaseg.classmap import ClassMap
from dfaseg.errors import ConfigError
from dfaseg.evaluation.methods import differing_settings, find_method, group_runs
from dfaseg.evaluation.results import CaseResult, EvalResult
from dfaseg.evaluation.run_comparison import compare_runs
from dfaseg.evaluation.runs import Run, read_run, settings_beside

CLASSES = ClassMap.from_records(
    [{"index": i, "name": f"class {i}", "colour": "#123456"} for i in range(2)]
)


def run(settings: dict[str, Any], seed: int, wrong: int = 10, cases: int = 12) -> Run:
    """Return a run whose cases have this many wrong pixels of each class."""
    counts = [np.array([[1000 - wrong - i, wrong + i], [wrong, 500 - wrong]]) for i in range(cases)]
    results = tuple(CaseResult(f"c{i}", f"c{i}", matrix) for i, matrix in enumerate(counts))
    result = EvalResult("run", CLASSES, None, results, {"seed": seed})
    return Run(Path(f"{'-'.join(map(str, settings.values()))}-{seed}"), settings, seed, result)


def test_runs_that_differ_in_seed_are_one_method() -> None:
    """Methods keep the order in which they came, runs are sorted by seed."""
    methods = group_runs([run({"bias.mode": m}, s) for s in (1, 0) for m in ("dfa", "none")])

    assert [(method.name, method.seeds) for method in methods] == [
        ("dfa", (0, 1)),
        ("none", (0, 1)),
    ]


def test_methods_are_named_by_what_tells_them_apart() -> None:
    """A setting is named only as long as methods share all that was named before it."""
    plain = {"bias.mode": "none", "loss.name": "ce", "bias.lr_factor": 1.0, "epochs": 3}
    methods = group_runs(
        [
            run(plain, 0),
            run(plain | {"loss.name": "seesaw"}, 0),
            run(plain | {"bias.mode": "dfa", "bias.lr_factor": 20.0}, 0),
            run(plain | {"bias.mode": "dfa", "bias.lr_factor": 5.0}, 0),
        ]
    )

    assert [method.name for method in methods] == [
        "none, ce",
        "none, seesaw",
        "dfa, lr_factor 20",
        "dfa, lr_factor 5",
    ]


def test_settings_that_methods_do_not_share_are_told() -> None:
    """What a short name leaves out is in the table of runs."""
    methods = group_runs(
        [
            run({"bias.mode": "dfa", "loss.name": "seesaw", "epochs": 3}, 0),
            run({"bias.mode": "none", "loss.name": "ce", "epochs": 3}, 0),
        ]
    )

    assert [method.name for method in methods] == ["dfa", "none"]
    assert differing_settings(methods)["dfa"] == {"bias.mode": "dfa", "loss.name": "seesaw"}


def test_method_is_found_by_its_name_or_a_run() -> None:
    """The message lists what there is."""
    methods = group_runs([run({"bias.mode": mode}, seed) for mode in ("dfa", "none")
                          for seed in (0, 1)])  # fmt: skip

    assert find_method(methods, "none") is find_method(methods, "none-1") is methods[1]
    with pytest.raises(
        ConfigError, match="no such method; give one of 'dfa'; 'none', or the folder"
    ):
        find_method(methods, "cold")


@pytest.mark.parametrize(
    ("cases", "said"), [(1, "one case only: no interval"), (2, "2 cases only")]
)
def test_intervals_over_few_cases_are_not_to_be_believed(cases: int, said: str) -> None:
    """Over a single one there are none."""
    comparison = compare_runs([run({"bias.mode": m}, 0, cases=cases) for m in ("dfa", "none")])

    assert said in " ".join(comparison.cautions)


def test_few_cases_are_said_to_show_nothing() -> None:
    """Five cases give no p below 0.0625; six give 0.031, enough for one test but not for three."""
    modes = ("dfa", "none", "cold")
    five, six = (
        compare_runs([run({"bias.mode": m}, 0, 10 + 9 * i, n) for i, m in enumerate(modes[:k])])
        for n, k in ((5, 2), (6, 3))
    )
    two_of_six = compare_runs([run({"bias.mode": m}, 0, cases=6) for m in modes[:2]])

    assert not five.can_find
    assert any("no p-value below 0.062" in said for said in five.cautions)
    assert any("Corrected for 3 pairs" in said for said in six.cautions)
    assert two_of_six.can_find
    assert not any("signed-rank" in said for said in two_of_six.cautions)


@pytest.mark.parametrize(("seeds", "expected"), [((0, 1), False), ((0, 2), True), ((0,), True)])
def test_other_seeds_are_pointed_out(seeds: tuple[int, ...], expected: bool) -> None:
    """A lucky seed is not to be taken for a better method."""
    runs = [run({"bias.mode": "none"}, seed) for seed in (0, 1)]
    runs += [run({"bias.mode": "dfa"}, seed, 20) for seed in seeds]

    said = " ".join(compare_runs(runs).cautions)

    assert ("not all trained with the same seeds" in said) is expected


def test_methods_are_held_against_a_reference() -> None:
    """Beside all pairs, each other method minus the reference."""
    runs = [run({"bias.mode": mode}, seed, wrong + seed)
            for mode, wrong in (("dfa", 20), ("none", 60), ("cold", 90))
            for seed in range(3)]  # fmt: skip

    comparison = compare_runs(runs, reference="none-0")

    assert comparison.reference == "none"
    assert [(one.first, one.second) for one in comparison.gains] == [
        ("dfa", "none"),
        ("cold", "none"),
    ]
    assert comparison.gains[1].estimate.value < 0
    assert len(comparison.differences) == 3
    assert comparison.to_record()["against_reference"][0]["first"] == "dfa"


def test_the_same_run_twice_is_refused() -> None:
    """Otherwise its seed would count twice."""
    first = run({"bias.mode": "dfa"}, 0)

    with pytest.raises(ConfigError, match="settings and the seed"):
        group_runs([first, replace(first, path=Path("elsewhere"))])


def test_a_known_difference_is_found_and_its_spread_stated() -> None:
    """The better method stands first, with mean and deviation over its seeds."""
    runs = [run({"bias.mode": "dfa"}, seed, 20 + seed) for seed in range(3)]
    runs += [run({"bias.mode": "none"}, seed, 60 + seed) for seed in range(3)]

    comparison = compare_runs(runs)

    best, other = comparison.rows
    own = [one.result.pooled().macro_dice for one in runs[:3]]
    assert best.method.name == "dfa"
    assert best.macro.value == pytest.approx(np.mean(own))
    assert best.spread == pytest.approx(np.std(own, ddof=1))
    (pair,) = comparison.differences
    assert (pair.first, pair.second) == ("dfa", "none")
    assert pair.is_beyond_chance
    assert pair.estimate.value == pytest.approx(best.macro.value - other.macro.value)
    assert pair.estimate.low <= pair.estimate.value <= pair.estimate.high


def test_equal_methods_are_not_told_apart() -> None:
    """Methods that do the same have a difference of 0."""
    comparison = compare_runs([run({"bias.mode": mode}, 0) for mode in ("dfa", "none")])

    assert not comparison.differences[0].is_beyond_chance


def test_runs_on_other_pixels_are_refused() -> None:
    """The truth of every case must be the same."""
    first, second = run({"bias.mode": "dfa"}, 0), run({"bias.mode": "none"}, 0, cases=11)

    with pytest.raises(ConfigError, match="not scored on the cases"):
        compare_runs([first, second])


def test_one_run_cannot_be_compared() -> None:
    """It takes two."""
    with pytest.raises(ConfigError, match="at least two"):
        compare_runs([run({}, 0)])


def test_folder_without_scores_is_refused(tmp_path: Path) -> None:
    """The message says what to give."""
    with pytest.raises(ConfigError, match="finished run"):
        read_run(tmp_path)


def test_settings_leave_out_seed_and_place(tmp_path: Path) -> None:
    """What has no part in the method does not tell methods apart."""
    (tmp_path / "config.toml").write_text(
        'seed = 3\ndataset = "glas"\n[bias]\nmode = "dfa"\nbaseline_dice = [0.5]\n'
        '[run]\ndevice = "cpu"\n',
        encoding="utf-8",
    )

    assert settings_beside(tmp_path / "model.safetensors") == {
        "dataset": "glas",
        "bias.mode": "dfa",
    }
    assert settings_beside(tmp_path / "elsewhere" / "model.safetensors") is None


def test_runs_that_ignore_different_classes_are_refused() -> None:
    """The run is named, and what to do."""
    one, other = run({"bias.mode": "dfa"}, 0), run({"bias.mode": "none"}, 0)
    ignoring = replace(other, result=replace(other.result, unscored=(1,)))

    with pytest.raises(ConfigError, match=r"run 'none-0': .* with the same --ignore"):
        compare_runs([one, ignoring])


def test_class_that_no_run_scores_is_named() -> None:
    """Its Dice is empty in the tables, which a reader must understand."""
    runs = [run({"bias.mode": mode}, 0) for mode in ("dfa", "none")]
    ignoring = [replace(one, result=replace(one.result, unscored=(1,))) for one in runs]

    name = CLASSES[1].name
    assert f"{name} is not scored and left out of all means." in compare_runs(ignoring).cautions
    assert not any("not scored" in note for note in compare_runs(runs).cautions)
