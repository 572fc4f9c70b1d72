"""``dfaseg eval PREDICTION... --truth``: files, output, and one line for whatever is wrong."""

import csv
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dfaseg.classmap import ClassMap
from tests.evaluating import (
    CLASSES,
    blotches,
    run_eval,
    scores_of,
    write_classes,
    write_picture,
    write_polygons,
    write_store,
)

MASK = blotches(40, 60)
SHIFTED = np.roll(MASK, 1, axis=1)
SQUARE = [[0, 0], [40, 0], [40, 40], [0, 40], [0, 0]]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a folder with a prediction, its truth as a picture, and a class map."""
    write_store(tmp_path / "p.zarr", MASK)
    write_picture(tmp_path / "t.png", SHIFTED)
    write_classes(tmp_path / "classes.toml")
    return tmp_path


def write_feature(path: Path, name: str, ring: list[list[int]]) -> Path:
    """Write one polygon as QuPath does."""
    geometry = {"type": "Polygon", "coordinates": [ring]}
    properties = {"classification": {"name": name}}
    feature = {"type": "Feature", "geometry": geometry, "properties": properties}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return path


def test_scoring_masks_loads_no_network(place: Path) -> None:
    """PyTorch and Matplotlib would take twice the memory that a slide's masks take."""
    arguments = [
        "eval", str(place / "p.zarr"), "--truth", str(place / "t.png"),
        "--class-map", str(place / "classes.toml"), "--out", str(place / "out"),
    ]  # fmt: skip
    script = (
        "import sys; from dfaseg.cli.main import cli\n"
        f"cli({arguments!r}, standalone_mode=False)\n"
        "print([name for name in ('torch', 'timm', 'matplotlib') if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=120
    )

    assert done.stdout.splitlines()[-1] == "[]"


def test_class_whose_outline_is_nowhere_known_is_not_compared(place: Path) -> None:
    """No figure is made up for it, in any of the outputs."""
    label = np.full((40, 60), 255, np.uint8)
    label[5:30, 5:25], label[5:30, 30:40], label[5:30, 40:50] = 1, 0, 2
    write_picture(place / "t.png", label)
    mask = np.where(label == 255, 0, label)
    mask[10:20, 10:20] = 2
    write_store(place / "q.zarr", mask)

    result = run_eval(
        place / "q.zarr", "--truth", place / "t.png", "--class-map", place / "classes.toml",
        "--out", place / "out",
    )  # fmt: skip

    assert result.exit_code == 0, result.stderr
    assert re.search(r"Surface Dice, tumour +not compared", result.stdout)
    assert re.search(r"Surface Dice, stroma +1.000", result.stdout)
    extras = scores_of(place / "out")["summary"]["extras"]
    assert extras["Surface Dice, tumour"]["value"] is None
    assert extras["Surface Dice, stroma"]["value"] == 1
    with (place / "out" / "scores.csv").open(encoding="utf-8") as file:
        values = {line["measure"]: line["value"] for line in csv.DictReader(file)}
    assert values["Surface Dice, tumour"] == ""
    page = (place / "out" / "report.html").read_text("utf-8")
    assert "Not compared in 1 of 1 images" in page


def test_folder_gets_scores_table_and_report(place: Path) -> None:
    """Figures are those of the pixels; classes, coverage and files are on stdout."""
    out = place / "out"
    inside = (MASK != 255) & (SHIFTED != 255)
    right = int((MASK == SHIFTED)[inside].sum())

    result = run_eval(
        place / "p.zarr", "--truth", place / "t.png", "--class-map", place / "classes.toml",
        "--out", out, "--objects", "tumour",
    )  # fmt: skip

    assert result.exit_code == 0, result.stderr
    assert {path.name for path in out.iterdir()} == {"scores.json", "scores.csv", "report.html"}
    scores = scores_of(out)
    assert np.trace(scores["cases"][0]["confusion"]) == right
    assert scores["pooled"]["pixel_accuracy"] == pytest.approx(right / inside.sum(), abs=1e-6)
    assert {"surface", "objects"} <= scores["cases"][0].keys()
    assert all(name in result.stdout for name in ("stroma", "tumour", "mucus", "macro Dice"))
    assert "The predictions left out" in result.stdout.replace("\n", " ")
    with (out / "scores.csv").open(newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) > 10


def test_several_slides_are_pooled_and_kept_apart(tmp_path: Path) -> None:
    """Stores go by the id of their slide, whatever their file is called."""
    (tmp_path / "p").mkdir()
    (tmp_path / "t").mkdir()
    for number, slide in enumerate(("one", "two", "three")):
        mask = blotches(30, 40, seed=number)
        write_store(tmp_path / "p" / f"{number}.zarr", mask, slide_id=slide)
        write_polygons(tmp_path / "t" / f"{slide}.geojson", mask)

    result = run_eval(tmp_path / "p", "--truth", tmp_path / "t", "--out", tmp_path / "out")

    assert result.exit_code == 0, result.stderr
    scores = scores_of(tmp_path / "out")
    assert [case["name"] for case in scores["cases"]] == ["one", "two", "three"]
    assert scores["pooled"]["macro_dice"] == 1.0


def test_report_shows_the_best_and_the_worst_slide(tmp_path: Path) -> None:
    """Slide, truth and prediction of a mask store; truth and prediction of a picture."""
    (tmp_path / "p").mkdir()
    (tmp_path / "t").mkdir()
    for name, shift in (("good", 1), ("bad", 9)):
        mask = blotches(30, 40)
        write_picture(tmp_path / "t" / f"{name}.png", np.roll(mask, shift, axis=1))
        if name == "good":
            write_store(tmp_path / "p" / f"{name}.zarr", mask, slide_id=name)
        else:
            write_picture(tmp_path / "p" / f"{name}.png", mask)

    result = run_eval(
        tmp_path / "p", "--truth", tmp_path / "t", "--out", tmp_path / "out",
        "--class-map", write_classes(tmp_path / "classes.toml"),
    )  # fmt: skip

    assert result.exit_code == 0, result.stderr
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg") == 1
    assert page.count("data:image/png") == 4
    assert "Best, macro Dice" in page
    assert "Worst, macro Dice" in page


def test_results_are_not_replaced_unasked(place: Path) -> None:
    """Only with --overwrite."""
    arguments = (
        place / "p.zarr", "--truth", place / "p.zarr", "--out", place / "out",
    )  # fmt: skip
    assert run_eval(*arguments).exit_code == 0

    assert "--overwrite" in run_eval(*arguments).stderr
    assert run_eval(*arguments, "--overwrite").exit_code == 0


BAD_TRUTHS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "sizes differ": (
        lambda p: write_picture(p / "x.png", MASK[1:]),
        "the prediction has 60 × 40 px of 0.5 × 0.5 µm, the truth 60 × 39 px, and not both state",
    ),
    "other slide": (
        lambda p: write_store(p / "x.zarr", MASK, slide_id="other"),
        "is of slide 'slide', but its truth",
    ),
    "other extent": (
        lambda p: write_store(p / "x.zarr", MASK, mpp=0.25, slide_id=None),
        "cover different areas",
    ),
    "polygons elsewhere": (
        lambda p: write_feature(p / "x.geojson", "tumour", [[x + 900, y] for x, y in SQUARE]),
        "none of 1 polygons touches the prediction",
    ),
    "unknown class": (
        lambda p: write_feature(p / "x.geojson", "necrosis", SQUARE),
        "class 'necrosis' is unknown; the classes are stroma, tumour, mucus; give a --class-map",
    ),
    "nothing drawn": (
        lambda p: write_json(p / "x.geojson", {"type": "FeatureCollection", "features": []}),
        "nothing with an area is drawn",
    ),
    "no JSON": (lambda p: write_text(p / "x.geojson", "{"), "not valid JSON"),
    "no XML": (lambda p: write_text(p / "x.xml", "<"), "not valid XML"),
    "not a mask": (lambda p: write_text(p / "x.txt", "?"), "is not a mask"),
    "damaged picture": (lambda p: write_text(p / "x.png", "?"), "not a readable picture"),
    "damaged TIFF": (lambda p: write_text(p / "x.tif", "?"), "not a readable TIFF"),
    "unknown code": (
        lambda p: write_picture(p / "x.png", np.full_like(MASK, 7)),
        "code 7 in 2400 pixels is unknown",
    ),
    "not scored": (
        lambda p: write_picture(p / "x.png", np.full_like(MASK, 255)),
        "no pixel has a class in both",
    ),
    "no store": (lambda p: make_folder(p / "x.zarr"), "there is no dfaseg mask here"),
    "missing": (lambda p: p / "x.png", "there is no such file or folder"),
}


def write_json(path: Path, content: object) -> Path:
    """Write JSON."""
    return write_text(path, json.dumps(content))


def write_text(path: Path, text: str) -> Path:
    """Write text."""
    path.write_text(text)
    return path


def make_folder(path: Path) -> Path:
    """Make a folder."""
    path.mkdir()
    return path


@pytest.mark.parametrize(("make", "message"), BAD_TRUTHS.values(), ids=BAD_TRUTHS.keys())
def test_bad_truth_is_refused_in_one_line(
    place: Path, make: Callable[[Path], Path], message: str
) -> None:
    """The line names the file; nothing is written."""
    out = place / "out"

    result = run_eval(
        place / "p.zarr", "--truth", make(place), "--class-map", place / "classes.toml",
        "--out", out,
    )  # fmt: skip

    (line,) = result.stderr.splitlines()
    assert result.exit_code == 1
    assert line.startswith("dfaseg: error: ")
    assert message in line
    assert not out.exists()


def test_codes_need_a_class_map(place: Path) -> None:
    """Nobody guesses what 1 means."""
    result = run_eval(place / "p.zarr", "--truth", place / "t.png", "--out", place / "out")
    assert "does not name its classes; give them with --class-map" in result.stderr


def test_class_map_without_a_class_of_the_prediction_is_refused(place: Path) -> None:
    """Its pixels could be counted nowhere."""
    fewer = ClassMap(CLASSES.classes[:2])
    path = write_classes(place / "fewer.toml", fewer)
    result = run_eval(
        place / "p.zarr", "--truth", place / "t.png", "--class-map", path, "--out", place / "out"
    )
    assert "class 'mucus' is unknown; the classes are stroma, tumour; give a" in result.stderr


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("--tolerance", ["inf"]), ("--tolerance", ["nan"]), ("--tolerance", ["0"]),
        ("--tolerance", ["-1"]), ("--level0-scale", ["nan"]), ("--level0-scale", ["inf"]),
        ("--level0-scale", ["0"]), ("--truth-origin", ["nan", "0"]),
        ("--truth-origin", ["0", "inf"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)  # fmt: skip
def test_impossible_numbers_in_options_are_refused(
    place: Path, option: str, values: list[str]
) -> None:
    """The option is named, and no file of scores is made."""
    result = run_eval(
        place / "p.zarr", "--truth", place / "p.zarr", "--out", place / "out", option, *values
    )

    assert result.exit_code == 2
    assert f"Invalid value for '{option}'" in result.stderr
    assert not (place / "out").exists()


def test_unknown_code_asks_for_a_class_map(place: Path) -> None:
    """Where the file does not name its classes itself."""
    codes = np.full((40, 60), 7, np.uint8)

    result = run_eval(
        place / "p.zarr", "--truth", write_picture(place / "t.png", codes), "--out", place / "out",
        "--class-map", place / "classes.toml",
    )  # fmt: skip

    assert "code 7 in 2400 pixels is unknown; the known codes are 0, 1, 2, 255" in result.stderr
    assert "correct the mask, or give a --class-map that has it" in result.stderr


def test_truth_of_black_and_white_is_not_taken_for_a_perfect_score(place: Path) -> None:
    """White is 255, which means not labelled unless the class map says otherwise."""
    write_picture(place / "t.png", np.where(MASK == 0, 0, 255).astype(np.uint8))
    arguments = (
        write_picture(place / "p.png", (MASK != 0).astype(np.uint8)), "--truth", place / "t.png",
        "--class-map", place / "two.toml", "--out",
    )  # fmt: skip
    tables = "".join(
        f'[[class]]\nindex = {index}\nname = "{name}"\ncolour = "#c80000"\n'
        for index, name in enumerate(("other", "gland"))
    )

    (place / "two.toml").write_text(tables)
    silent = run_eval(*arguments, place / "silent")
    (place / "two.toml").write_text(f"{tables}codes = [1, 255]\n")
    stated = run_eval(*arguments, place / "stated")

    assert "The truth holds no class but other." in silent.stdout
    assert "codes = [255]" in silent.stdout
    assert "The truth holds no class but" not in stated.stdout
    assert scores_of(place / "stated")["pooled"]["classes"]["gland"]["dice"] == 1


def test_polygons_over_a_picture_need_its_scale(place: Path) -> None:
    """A picture does not say how many level-0 px one of its pixels spans."""
    truth = write_feature(place / "x.geojson", "tumour", SQUARE)
    arguments = (
        write_picture(place / "p.png", MASK), "--truth", truth, "--out", place / "out",
        "--class-map", place / "classes.toml",
    )  # fmt: skip

    assert "pass --level0-scale" in run_eval(*arguments).stderr
    assert run_eval(*arguments, "--level0-scale", 1).exit_code == 0


def test_unknown_names_in_options_are_refused(place: Path) -> None:
    """The option is named."""
    arguments = (place / "p.zarr", "--truth", place / "p.zarr", "--out", place / "out")
    drawn = write_feature(place / "x.geojson", "tumour", SQUARE)

    assert "--objects: class 'x' is unknown" in run_eval(*arguments, "--objects", "x").stderr
    result = run_eval(
        place / "p.zarr", "--truth", drawn, "--out", place / "out", "--background", "x"
    )
    assert "--background: class 'x' is unknown" in result.stderr


def test_ignored_class_is_in_no_mean(place: Path) -> None:
    """Five of 40 px of stroma were predicted as it: mistakes of stroma, and that is all."""
    truth = np.repeat(np.array([[0] * 4 + [1] * 4 + [2] * 2], np.uint8), 10, axis=0)
    mask = truth.copy()
    mask[:5, 0] = 2
    out = place / "out"

    result = run_eval(
        write_store(place / "q.zarr", mask), "--truth", write_picture(place / "t.png", truth),
        "--class-map", place / "classes.toml", "--out", out, "--ignore", "Mucus",
    )  # fmt: skip

    assert result.exit_code == 0, result.stderr
    said = " ".join(result.stdout.split())
    assert "mucus not scored - - -" in said
    assert (
        "mucus is not scored and left out of all means. Where the truth has another class" in said
    )
    assert "5 pixels were predicted as it" in said
    assert "Surface Dice, mucus not scored" in said
    scores = scores_of(out)
    expected = (70 / 75 + 1) / 2
    assert scores["not_scored"] == ["mucus"]
    assert scores["pooled"]["macro_dice"] == pytest.approx(expected, abs=1e-6)
    assert scores["summary"]["overall"]["macro_dice"]["value"] == pytest.approx(expected)
    assert scores["summary"]["overall"]["pixel_accuracy"]["value"] == 75 / 80
    assert scores["summary"]["extras"]["Surface Dice, mucus"]["value"] is None
    assert not any("its Dice is 0" in note for note in scores["summary"]["notes"])
    with (out / "scores.csv").open(encoding="utf-8") as file:
        lines = [line for line in csv.DictReader(file) if line["class"] == "mucus"]
    assert {line["value"] for line in lines} == {""}
    page = (out / "report.html").read_text("utf-8")
    assert page.count("not scored") >= 4
    assert "The weakest class is stroma" in page


@pytest.mark.parametrize(
    ("max_pixels", "note"),
    [
        (30 * 40, "Objects of tumour were counted in 1 of 2 images: the others have more pixels"),
        (10 * 10, "Objects of tumour were not counted: no image is as small as"),
        (60 * 40, None),
    ],
    ids=["one too large", "both too large", "none too large"],
)
def test_images_too_large_for_objects_are_counted_in_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, max_pixels: int, note: str | None
) -> None:
    """In all outputs; the limit is lowered here."""
    monkeypatch.setattr("dfaseg.evaluation.pair_meter.MAX_PIXELS", max_pixels)
    (tmp_path / "p").mkdir()
    for name, height, width in (("small", 30, 40), ("large", 40, 60)):
        write_store(tmp_path / "p" / f"{name}.zarr", blotches(height, width), slide_id=name)
    out = tmp_path / "out"

    result = run_eval(
        tmp_path / "p", "--truth", tmp_path / "p", "--out", out, "--objects", "tumour"
    )

    assert result.exit_code == 0, result.stderr
    notes = [line for line in scores_of(out)["summary"]["notes"] if "Objects of" in line]
    if note is None:
        assert notes == []
        return
    (line,) = notes
    assert line.startswith(note)
    assert line in " ".join(result.stdout.split())
    assert line in (out / "report.html").read_text("utf-8")


@pytest.mark.parametrize("drawn", [False, True], ids=["mask", "polygons"])
def test_unknown_class_to_ignore_is_refused(place: Path, drawn: bool) -> None:
    """Before anything is scored; a class that only the truth knows may be ignored."""
    ring = write_feature(place / "x.geojson", "artefact", SQUARE)
    truth = ring if drawn else place / "p.zarr"
    arguments = (place / "p.zarr", "--truth", truth, "--out", place / "out")

    result = run_eval(*arguments, "--ignore", "typo")

    known = "stroma, tumour, mucus" + (", artefact" if drawn else "")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert f"--ignore: class 'typo' is unknown; the classes are {known}; give a name" in line
    other = "artefact" if drawn else "Stroma"
    assert "is unknown" not in run_eval(*arguments, "--ignore", other).stderr
