"""Reports: one file, well formed, and with the numbers of scores.json."""

import csv
import json
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from dfaseg.classmap import ClassMap
from dfaseg.errors import OutputExistsError
from dfaseg.evaluation.calibration import count_calibration
from dfaseg.evaluation.report.folder import prepared_folder
from dfaseg.evaluation.report.markup import VOID, element, row, table
from dfaseg.evaluation.report.matrix_section import confusion_section
from dfaseg.evaluation.report.page import swatch
from dfaseg.evaluation.report.write import write_evaluation
from dfaseg.evaluation.report.write_comparison import write_comparison
from dfaseg.evaluation.results import CaseResult, EvalResult
from dfaseg.evaluation.run_comparison import compare_runs
from dfaseg.evaluation.runs import Run
from dfaseg.evaluation.summary import Summary, summarise
from dfaseg.figures.case_pictures import PanelCase

CLASSES = ClassMap.from_records(
    [
        {"index": 0, "name": "Background", "colour": "#d9d9d9"},
        {"index": 1, "name": "<b>Gland & co</b>", "colour": "#009e73"},
        {"index": 2, "name": "Never there", "colour": "#c1121f"},
    ]
)


class Checker(HTMLParser):
    """Collects what is not closed and what is loaded from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.addresses: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element and its addresses."""
        if tag not in VOID:
            self.opened.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href"}]

    def handle_endtag(self, tag: str) -> None:
        """Close the element that was opened last."""
        assert self.opened.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep the text."""
        self.text.append(data)


def check(page: str) -> str:
    """Return the text of a page that is well formed and loads nothing."""
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.opened == []
    assert all(address.startswith("data:") for address in checker.addresses)
    assert "url(" not in page
    assert "@import" not in page
    return "\n".join(checker.text)


def example_result() -> EvalResult:
    """Return an evaluation of three images of two cases, without the last class."""
    counts = np.array([[[90, 10, 0], [20, 80, 0], [0, 0, 0]], [[50, 0, 0], [5, 45, 0], [0, 0, 0]]])
    cases = [CaseResult(f"image {i}", f"case {i % 2}", counts[i % 2]) for i in range(3)]
    return EvalResult("Trial <1>", CLASSES, 0.5, tuple(cases), {"seed": 3})


def run(mode: str, seed: int, wrong: int, cases: int = 12) -> Run:
    """Return a run whose cases have this many wrong pixels of each class, and a little more."""
    images = [
        CaseResult(
            f"c{i}", f"c{i}", np.array([[1000 - wrong - i, wrong + i], [wrong, 500 - wrong]])
        )
        for i in range(cases)
    ]
    classes = ClassMap(CLASSES.classes[:2])
    facts = {"seed": seed, "delta": [-0.2, 0.2] if mode == "dfa" else None, "split": "test",
             "frequencies": [0.7, 0.3], "trained_on": "Example"}  # fmt: skip
    result = EvalResult(f"{mode}-{seed}", classes, None, tuple(images), facts)
    return Run(Path(f"{mode}-{seed}"), {"bias.mode": mode, "epochs": 2}, seed, result)


@pytest.fixture
def summary() -> Summary:
    """Return the scores of ``example_result``."""
    return summarise(example_result(), notes=("One slide was not scored.",))


def test_evaluation_report_is_one_well_formed_file(tmp_path: Path, summary: Summary) -> None:
    """Pictures lie inside; names that look like markup are written as text."""
    pixels = np.zeros((8, 10, 3), np.uint8)
    label = np.zeros((8, 10), np.uint8)
    label[2:] = 255
    shown = [PanelCase("image <0>", pixels, label, label, "best, macro Dice 0.90")]
    write_evaluation(tmp_path, example_result(), summary, shown)

    page = (tmp_path / "report.html").read_text(encoding="utf-8")

    text = check(page)
    assert "<b>Gland & co</b>" in text
    assert page.count("data:image/") == 3
    assert "not labelled or not analysed" in text
    assert "One slide was not scored." in text
    assert "Never there occurs neither in the truth nor in the prediction" in text


def test_report_shows_the_numbers_of_the_json(tmp_path: Path, summary: Summary) -> None:
    """Nothing is computed twice in two ways."""
    write_evaluation(tmp_path, example_result(), summary)
    text = check((tmp_path / "report.html").read_text(encoding="utf-8"))
    record = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))

    scores = record["summary"]["overall"]
    for name in ("macro_dice", "macro_iou", "worst_dice", "pixel_accuracy"):
        assert f"{scores[name]['value']:.3f}" in text
        assert f"{scores[name]['low']:.3f} to {scores[name]['high']:.3f}" in text
        assert scores[name]["value"] == pytest.approx(record["pooled"][name], abs=1e-6)
    assert EvalResult.from_record(record).pooled().macro_dice == scores["macro_dice"]["value"]


def test_text_does_not_say_where_tables_stand(tmp_path: Path, summary: Summary) -> None:
    """Both confusion matrices stand side by side or one below the other, as there is room."""
    write_evaluation(tmp_path, example_result(), summary)

    text = check((tmp_path / "report.html").read_text(encoding="utf-8"))

    assert "first the percent of each true class, then the pixels themselves" in text
    assert text.index("Percent of the true class") < text.index("\nPixels\n")


def test_short_tables_stay_together_in_print() -> None:
    """A long one begins where it stands, so that no page is left half empty."""
    short, long = (table(row("name"), [row("a")] * number) for number in (16, 17))
    style = (files("dfaseg.evaluation.report") / "page.css").read_text(encoding="utf-8")
    kept = [line for line in style.partition("@media print")[2].splitlines() if "inside" in line]

    assert short.startswith('<div class="scroll together">')
    assert long.startswith('<div class="scroll">')
    assert ".together" in kept[0]
    assert "break-inside: avoid" in kept[0]


@pytest.mark.parametrize(("num_classes", "is_broad"), [(5, False), (20, True)])
def test_matrix_that_is_broader_than_paper_is_set_smaller_in_print(
    num_classes: int, is_broad: bool
) -> None:
    """Of 20 classes the last nine were cut off."""
    classes = ClassMap.from_records(
        [{"index": i, "name": f"Class {i}", "colour": "#d9d9d9"} for i in range(num_classes)]
    )
    case = CaseResult("a", "a", np.eye(num_classes, dtype=np.int64))
    style = (files("dfaseg.evaluation.report") / "page.css").read_text(encoding="utf-8")

    text = confusion_section(EvalResult("a", classes, 0.5, (case,)))

    assert text.startswith('<section class="broad">') == is_broad
    assert text.count('style="--ems:') == 2
    assert "calc(100cqi / var(--ems))" in style.partition("@media print")[2]


def test_csv_has_pooled_scores_and_each_image(tmp_path: Path, summary: Summary) -> None:
    """A spreadsheet can do without the JSON."""
    write_evaluation(tmp_path, example_result(), summary)

    lines = (tmp_path / "scores.csv").read_text(encoding="utf-8").splitlines()

    assert lines[0] == "scope,name,case,class,measure,value,low,high"
    assert sum(line.startswith("image,") for line in lines) == 3 * (7 + 4 * len(CLASSES))


def test_calibration_is_in_every_file(tmp_path: Path) -> None:
    """Four of five pixels of 90 % are right: the error is 10 % in JSON, table and report."""
    counts = count_calibration(
        np.tile([[0.9], [0.1], [0.0]], 5), np.array([0, 0, 0, 0, 1], np.uint8)
    )
    case = CaseResult("image", "case", np.diag([4, 1, 0]), calibration=counts)
    result = EvalResult("Sure", CLASSES, 0.5, (case,))
    write_evaluation(tmp_path, result, summarise(result))

    record = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")

    found = record["summary"]["calibration"]
    assert found["expected_error"] == pytest.approx(0.1)
    assert [entry["accuracy"] for entry in found["bins"] if entry["pixels"]] == [0.8]
    assert "90.0 % sure of a pixel and right in 80.0 %" in check(page)
    assert "Share of right pixels by confidence" in page
    table = (tmp_path / "scores.csv").read_text(encoding="utf-8")
    assert "calibration,Sure,,,accuracy,0.8,0.866667,0.933333" in table
    assert EvalResult.from_record(record).calibration() is not None


def test_figures_of_sampath_are_labelled_in_every_file(tmp_path: Path, summary: Summary) -> None:
    """They stand apart, under names of their own, with the reason."""
    write_evaluation(tmp_path, example_result(), summary)

    record = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    text = check((tmp_path / "report.html").read_text(encoding="utf-8"))

    found = record["summary"]["sampath_compat"]
    assert "not comparable" in found["note"]
    accuracy = record["pooled"]["pixel_accuracy"]
    assert found["all classes"]["sampath_micro_dice"] == pytest.approx(accuracy, abs=1e-6)
    assert "without Background" in found
    assert "SAM-Path's figures, not comparable" in text
    lines = (tmp_path / "scores.csv").read_text(encoding="utf-8").splitlines()
    assert sum(line.startswith("sampath_compat,") for line in lines) == 6


def test_folder_with_scores_is_kept_unless_told_otherwise(tmp_path: Path) -> None:
    """An evaluation is not lost to a typing error."""
    (tmp_path / "scores.json").touch()

    with pytest.raises(OutputExistsError, match="--overwrite"), prepared_folder(tmp_path):
        pass
    with prepared_folder(tmp_path, overwrite=True):
        pass


def test_scores_of_a_training_run_are_never_replaced(tmp_path: Path) -> None:
    """Not even if told to: they cannot be had again without training."""
    (tmp_path / "scores.json").write_text('{"epoch": 3, "val": {}, "test": {}}')

    with (
        pytest.raises(OutputExistsError, match="perhaps that of a training run"),
        prepared_folder(tmp_path, overwrite=True),
    ):
        pass

    assert "epoch" in (tmp_path / "scores.json").read_text()


def test_folder_of_a_failure_is_taken_away(tmp_path: Path) -> None:
    """But not what was there before, nor what somebody has put there meanwhile."""
    (tmp_path / "there").mkdir()
    for folder in ("a/b", "there/c"):
        with pytest.raises(ZeroDivisionError), prepared_folder(tmp_path / folder):
            raise ZeroDivisionError
    with pytest.raises(FileExistsError), prepared_folder(tmp_path / "kept"):
        (tmp_path / "kept" / "note.txt").mkdir() or (tmp_path / "kept" / "note.txt").mkdir()

    assert sorted(path.name for path in tmp_path.rglob("*")) == ["kept", "note.txt", "there"]


def test_comparison_report_names_the_better_method(tmp_path: Path) -> None:
    """Delta and frequency plots lie inside; the numbers are those of the JSON."""
    runs = [run("dfa", seed, 20 + seed) for seed in range(3)]
    runs += [run("none", seed, 60 + seed) for seed in range(3)]
    write_comparison(tmp_path, compare_runs(runs))

    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    record = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))

    text = check(page)
    assert "dfa has the highest macro Dice" in text
    assert "It is ahead of all others by more than chance explains." in text
    assert page.count("data:image/svg+xml") == 2
    for method in record["methods"]:
        assert f"{method['macro_dice']['value']:.3f}" in text


def test_comparison_report_has_bars_of_each_class(tmp_path: Path) -> None:
    """A chart per class with the methods' means, intervals and, as dots, their seeds."""
    runs = [run("dfa", seed, 20 + seed) for seed in range(3)]
    runs += [run("none", seed, 60 + seed) for seed in range(3)]
    comparison = compare_runs(runs)
    write_comparison(tmp_path, comparison)

    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    text = check(page)
    chart = page.partition('aria-label="Dice of Background with 95 % intervals, by method"')[2]
    chart = chart.partition("</svg>")[0]

    for method in comparison.tests.methods:
        low, high = method.dice_interval[0]
        assert f">{method.dice[0].mean:.3f}<" in chart
        assert f">{low:.3f}–{high:.3f}<" in chart
    assert chart.count("<circle") == len(runs)
    assert "Class by class" in text


def test_bars_of_many_methods_are_folded_away(tmp_path: Path) -> None:
    """Class by class, so that the report stays short; few are shown at once."""
    for name, number in (("few", 3), ("many", 25)):
        (tmp_path / name).mkdir()
        runs = [run(f"mode {place}", 0, 20 + 3 * place, cases=1) for place in range(number)]
        write_comparison(tmp_path / name, compare_runs(runs))

    few, many = ((tmp_path / name / "report.html").read_text("utf-8") for name in ("few", "many"))

    summary = element("summary", swatch(CLASSES[0]), "Background")
    assert summary in many
    assert summary not in few


def test_many_methods_are_laid_out_as_a_square(tmp_path: Path) -> None:
    """Fifteen pairs are listed; more stand in a square, and their list is folded away."""
    modes = ("dfa", "none", "cold", "cffa", "hcfa", "frozen_init", "dfa_anchored")
    runs = [run(mode, 0, 20 + 9 * place) for place, mode in enumerate(modes)]

    write_comparison(tmp_path, compare_runs(runs, reference="none"))

    text = check((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "All 21 pairs with intervals and effect sizes" in text
    assert "Against none" in text
    assert "corrected for 6 comparisons" in " ".join(text.split())


def test_relations_of_the_bias_are_in_every_file(tmp_path: Path) -> None:
    """With two classes the report says why there is no correlation, and files leave it empty."""
    runs = [run("dfa", seed, 20 + seed) for seed in range(3)]
    runs += [run("none", seed, 60 + seed) for seed in range(3)]
    write_comparison(tmp_path, compare_runs(runs))

    record = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    text = check((tmp_path / "report.html").read_text(encoding="utf-8"))
    lines = (tmp_path / "scores.csv").read_text(encoding="utf-8").splitlines()

    relations = {(one["measured"], one["against"]) for one in record["bias_relations"]}
    assert relations == {("delta", "baseline_dice"), ("delta", "log_frequency")}
    assert record["bias_relations"][0]["of_means"]["spearman"] is None
    assert "With 2 classes no correlation can be stated" in text
    assert "Above 0 is meant to say hard" in text
    assert "dfa,dfa-1,1,Background,delta,-0.2" in lines
    assert "dfa,,,,num_classes_delta_baseline_dice,2" in lines


def test_csv_has_what_was_said_of_methods_and_pairs(tmp_path: Path) -> None:
    """Means, spreads, intervals, effect sizes and p-values are those of the JSON."""
    runs = [run("dfa", seed, 20 + seed) for seed in range(3)]
    runs += [run("none", seed, 60 + seed) for seed in range(3)]
    write_comparison(tmp_path, compare_runs(runs, reference="none"))

    record = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    with (tmp_path / "scores.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    found = {
        (row["method"], row["class"], row["measure"]): float(row["value"])
        for row in rows
        if not row["run"] and row["value"]
    }
    assert list(rows[0]) == ["method", "run", "seed", "class", "measure", "value"]
    dfa, (test,) = record["comparison"]["methods"][0], record["comparison"]["tests"]
    background = dfa["classes"]["Background"]
    expected = {
        ("", "macro_dice_mean"): dfa["macro_dice"]["mean"],
        ("", "macro_dice_deviation"): dfa["macro_dice"]["deviation"],
        ("", "macro_dice_low"): dfa["macro_dice_interval"][0],
        ("", "worst_dice_mean"): dfa["worst_dice"]["mean"],
        ("Background", "dice_mean"): background["dice"]["mean"],
        ("Background", "dice_deviation"): background["dice"]["deviation"],
        ("Background", "dice_high"): background["dice_interval"][1],
        ("", "macro_dice_difference vs none"): test["difference"],
        ("", "macro_dice_difference_high vs none"): test["interval"][1],
        ("", "rank_biserial vs none"): test["rank_biserial"],
        ("", "bootstrap_p vs none"): test["bootstrap_p"],
        ("", "wilcoxon_p_holm vs none"): test["wilcoxon_p_holm"],
        ("Background", "dice_difference vs none"): test["classes"]["Background"]["difference"],
        ("Background", "dice_difference_low vs none"): test["classes"]["Background"]["interval"][0],
        ("", "reference_difference vs none"): test["difference"],
        ("", "reference_wilcoxon_p_holm vs none"): test["wilcoxon_p_holm"],
    }
    for (class_name, measure), value in expected.items():
        assert found["dfa", class_name, measure] == pytest.approx(value, rel=1e-3, abs=1e-6)


def test_tiny_p_values_are_not_zero_in_csv(tmp_path: Path) -> None:
    """They have digits of their own, where scores are rounded to six."""
    runs = [run("dfa", 0, 20, cases=40), run("none", 0, 60, cases=40)]
    write_comparison(tmp_path, compare_runs(runs))

    with (tmp_path / "scores.csv").open(encoding="utf-8", newline="") as file:
        values = {row["measure"]: row["value"] for row in csv.DictReader(file)}

    assert 0 < float(values["wilcoxon_p vs none"]) < 1e-6


def test_attributes_and_text_are_escaped() -> None:
    """No class name can break out of its place."""
    assert element("p", "a < b", title='"x"') == '<p title="&quot;x&quot;">a &lt; b</p>'
