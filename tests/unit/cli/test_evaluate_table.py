"""What ``dfaseg eval`` prints fits a terminal of 80 columns."""

from pathlib import Path

import numpy as np
import pytest

from dfaseg.classmap import ClassMap
from dfaseg.cli.evaluate_table import show_comparison, show_evaluation
from dfaseg.evaluation.results import CaseResult, EvalResult
from dfaseg.evaluation.run_comparison import compare_runs
from dfaseg.evaluation.runs import Run
from dfaseg.evaluation.summary import summarise

NAMES = ("Background", "Normal", "Polyp", "Low-grade IN", "High-grade IN", "Adenocarcinoma",
         "Serrated adenoma")  # fmt: skip
CLASSES = ClassMap.from_records(
    [{"index": i, "name": name, "colour": "#123456"} for i, name in enumerate(NAMES)]
)
METHODS = ("none", "dfa", "dfa_anchored", "frozen_init", "cffa", "hcfa", "cold")


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def result(wrong: int, seed: int = 0) -> EvalResult:
    """Return twelve cases with all classes, of which so many pixels in 1000 are wrong."""
    k = len(CLASSES)
    counts = [
        np.diag([1000 - wrong - i] * k) + np.roll(np.diag([wrong + i] * k), 1, axis=1)
        for i in range(12)
    ]
    cases = tuple(CaseResult(f"c{i}", f"c{i}", matrix) for i, matrix in enumerate(counts))
    return EvalResult("twelve cases", CLASSES, None, cases, {"seed": seed})


def test_comparison_of_many_classes_is_readable(capsys: pytest.CaptureFixture[str]) -> None:
    """No line is wider, every class has its name whole, and many pairs are counted, not listed."""
    runs = [
        Run(Path(f"{mode}-{seed}"), {"bias.mode": mode}, seed, result(9 + 30 * place + seed, seed))
        for place, mode in enumerate(METHODS)
        for seed in range(3)
    ]

    show_comparison(compare_runs(runs, reference="none"))

    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80
    assert all(word in said for name in NAMES for word in name.split())
    assert all(method in said for method in METHODS)
    assert "Macro Dice against none" in said
    assert "So do 13 other pairs" in said
    assert "21 of 21 pairs differ by more than chance explains." in said


def test_long_names_of_classes_are_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """Each took thirteen lines; the report has them whole."""
    records = [
        {"index": i, "name": letter * 300, "colour": "#123456"} for i, letter in enumerate("ab")
    ]
    classes = ClassMap.from_records(records)
    cases = (CaseResult("c", "c", np.diag([9, 9])),)
    scored = EvalResult("one case", classes, None, cases, {})

    show_evaluation(scored, summarise(scored), ())

    said = capsys.readouterr().out
    assert said.count("a" * 10) <= 4
    assert "…" in said


def test_spread_over_seeds_stands_below_each_class(capsys: pytest.CaptureFixture[str]) -> None:
    """Beside the mean, half as many classes would fit."""
    wrong = {("none", 0): 100, ("none", 1): 200, ("dfa", 0): 50}
    runs = [Run(Path(f"{mode}-{seed}"), {"bias.mode": mode}, seed, result(amount, seed))
            for (mode, seed), amount in wrong.items()]  # fmt: skip

    show_comparison(compare_runs(runs))

    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    title = lines.index(next(line for line in lines if line.startswith("Dice by class")))
    found = [line.split() for line in lines[title:] if line.startswith((" dfa", " none", "   "))]
    place = found.index(["dfa", *["0.9445"] * 5])
    assert found[place + 1 : place + 3] == [["none", *["0.8445"] * 5], ["±", "0.071"] * 5]


def test_scores_of_one_evaluation_are_one_line_per_class(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Dice with its interval, the other scores without."""
    evaluation = result(20)

    show_evaluation(evaluation, summarise(evaluation), ())

    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    (line,) = [line for line in lines if "Serrated adenoma" in line]
    assert line.count("0.97") >= 4


def test_brackets_in_names_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Names of classes and files are words, whatever they mean to the library that prints them."""
    names = ("tumour [g3]", "[bold]fat", "[/x] :heart:")
    classes = ClassMap.from_records(
        [{"index": i, "name": name, "colour": "#123456"} for i, name in enumerate(names)]
    )
    case = CaseResult("c", "c", np.diag([5, 6, 7]))
    evaluation = EvalResult("slides [old]", classes, None, (case,), {})

    show_evaluation(evaluation, summarise(evaluation), ("Of 'a [b]' nothing is known.",))

    said = capsys.readouterr().out
    assert all(text in said for text in (*names, "slides [old]", "'a [b]'"))


def test_narrow_terminal_keeps_the_names(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines are broken where 40 columns are not enough; names shrank to nothing."""
    monkeypatch.setenv("COLUMNS", "40")
    evaluation = result(20)

    show_evaluation(evaluation, summarise(evaluation), ())

    said = capsys.readouterr().out
    assert all(word in said for name in NAMES for word in name.split())
    assert "0.9745" in said
