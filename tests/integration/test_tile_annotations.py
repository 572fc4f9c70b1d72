"""``dfaseg tile --annotations`` makes data sets that ``dfaseg train`` takes as they are."""

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.datasets.folder import read_folder
from tests.cutting import box, picture_of, run_tile, slide_file, table_of, write_annotations
from tests.evaluating import CLASSES, write_classes, write_picture, write_store
from tests.factories import corrupt_tile

SHAPES = [("Stroma", box(0, 0, 600, 256)), ("Tumor", box(100, 50, 300, 200))]
CLASS_MAP = """
regions_of_interest = ["ROI"]
background = "Stroma"
[[class]]
index = 0
name = "Stroma"
colour = "#00ff00"
[[class]]
index = 1
name = "Cancer"
names = ["Tumor"]
colour = "#ff0000"
"""


def _slides(folder: Path, count: int) -> Path:
    """Write slides with annotations beside them; return the folder of the annotations."""
    drawn = folder / "drawn"
    drawn.mkdir()
    for index in range(count):
        slide_file(folder, f"s{index}", seed=index)
        write_annotations(drawn / f"s{index}.geojson", SHAPES)
    return drawn


def _manifest(out: Path) -> list[dict[str, str]]:
    with (out / "manifest.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _cut(folder: Path, drawn: Path, *options: object) -> tuple[Path, Result]:
    out = folder / "out"
    result = run_tile(folder / "*.tiff", "--out", out, "--annotations", drawn, *options)
    return out, result


def test_data_set_is_read_as_it_is(tmp_path: Path) -> None:
    """Classes, resolution, pairs, cases and splits are those that were made."""
    out, result = _cut(tmp_path, _slides(tmp_path, 4))

    assert result.exit_code == 0, result.output
    data = read_folder(out)
    assert data.info.class_map.names == ("Stroma", "Tumor")
    assert (data.info.mpp, data.info.patch_px) == (0.5, 128)
    members = {split: getattr(data, split) for split in ("train", "val", "test")}
    assert {one.case for examples in members.values() for one in examples} == {
        "s0", "s1", "s2", "s3",
    }  # fmt: skip
    assert sum(map(len, members.values())) == 4 * 5 * 2
    pair = members["train"][0].read()
    assert pair.image.shape == (128, 128, 3)
    assert set(np.unique(pair.label)) <= {0, 1, IGNORE_INDEX}


def test_long_names_of_classes_break_no_table(tmp_path: Path) -> None:
    """Numbers stood hundreds of columns away; what is trained on has the names whole."""
    name = "x" * 300
    drawn = write_annotations(tmp_path / "a.geojson", [(name, box(0, 0, 90, 90))])
    out = tmp_path / "out"

    result = run_tile(
        *(slide_file(tmp_path), "--annotations", drawn, "--out", out, "--group-by", "tile")
    )

    assert result.exit_code == 0, result.output
    assert max(map(len, result.stdout.splitlines())) < 120
    assert name in (out / "classes.toml").read_text("utf-8")


def test_masks_are_what_was_drawn(tmp_path: Path) -> None:
    """Put together, the masks are the label of the slide, and the manifest counts them."""
    out, _ = _cut(tmp_path, _slides(tmp_path, 1))
    expected = np.full((512, 640), IGNORE_INDEX, np.uint8)
    expected[:256, :600] = 0
    expected[50:200, 100:300] = 1

    whole = np.full_like(expected, IGNORE_INDEX)
    counts: Counter[str] = Counter()
    for line in _manifest(out):
        x, y = int(line["x"]), int(line["y"])
        assert line["name"] == f"s0_x{x}_y{y}.png"
        whole[y : y + 128, x : x + 128] = picture_of(out / "masks" / line["name"])
        counts.update({key: int(line[f"px {key}"]) for key in ("Stroma", "Tumor")})
        assert (out / "images" / line["name"]).is_file()

    assert np.array_equal(whole, expected)
    assert counts == {"Stroma": (expected == 0).sum(), "Tumor": (expected == 1).sum()}


def test_tiles_without_labels_are_left_out_and_counted(tmp_path: Path) -> None:
    """The lower half of the slide is not annotated."""
    out, result = _cut(tmp_path, _slides(tmp_path, 1))

    assert len(table_of(out, "s0")) == 10
    assert "10 without labels left out" in result.stdout


def test_class_map_says_what_names_mean(tmp_path: Path) -> None:
    """Other names, a background and regions of interest, as the class map has them."""
    slide_file(tmp_path, "s0")
    shapes = [("Tumor", box(100, 50, 300, 200)), ("ROI", box(0, 0, 384, 256))]
    path = write_annotations(tmp_path / "s0.geojson", shapes)
    (tmp_path / "map.toml").write_text(CLASS_MAP, "utf-8")

    out, result = _cut(tmp_path, path, "--class-map", tmp_path / "map.toml")

    assert result.exit_code == 0, result.output
    lines = _manifest(out)
    assert len(lines) == 3 * 2
    assert sum(int(line["px Cancer"]) for line in lines) == 200 * 150
    assert sum(int(line["px Stroma"]) for line in lines) == 384 * 256 - 200 * 150


def test_classes_of_a_data_set_serve_as_class_map(tmp_path: Path) -> None:
    """What was written for one data set gives another the same classes."""
    drawn = _slides(tmp_path, 1)
    first, _ = _cut(tmp_path, drawn)

    again = run_tile(
        *(tmp_path / "s0.tiff", "--out", tmp_path / "again"),
        *("--annotations", drawn, "--class-map", first / "classes.toml"),
    )

    assert again.exit_code == 0, again.output
    assert _manifest(tmp_path / "again") == _manifest(first)


def test_patients_are_not_parted(tmp_path: Path) -> None:
    """The column of the list says which slides belong together."""
    drawn = _slides(tmp_path, 6)
    lines = [f"s{index}.tiff,p{index // 2}" for index in range(6)]
    (tmp_path / "list.csv").write_text("\n".join(["path,patient", *lines]), "utf-8")
    out = tmp_path / "out"

    result = run_tile(tmp_path / "list.csv", "--out", out, "--annotations", drawn)

    assert result.exit_code == 0, result.output
    splits = {(line["case"], line["split"]) for line in _manifest(out)}
    assert {case for case, _ in splits} == {"p0", "p1", "p2"}
    assert {split for _, split in splits} == {"train", "val", "test"}
    assert len(splits) == 3


@pytest.mark.parametrize("group_by", ["auto", "patient"])
def test_patients_of_finished_slides_may_be_named_later(tmp_path: Path, group_by: str) -> None:
    """What a list says now counts, without cutting anything again; elsewhere it stays known."""
    drawn = _slides(tmp_path, 6)
    out, _ = _cut(tmp_path, drawn)
    cut = {path: path.stat().st_mtime_ns for path in (out / "images").iterdir()}
    lines = [f"s{index}.tiff,p{index // 2}" for index in range(6)]
    (tmp_path / "list.csv").write_text("\n".join(["path,patient", *lines]), "utf-8")

    options = ("--out", out, "--annotations", drawn, "--group-by", group_by)
    listed = run_tile(tmp_path / "list.csv", *options)
    named = run_tile(tmp_path / "s0.tiff", *options)

    for result in (listed, named):
        assert result.exit_code == 0, result.output
    assert {(line["slide"], line["case"]) for line in _manifest(out)} == {
        (f"s{index}", f"p{index // 2}") for index in range(6)
    }
    assert {path: path.stat().st_mtime_ns for path in (out / "images").iterdir()} == cut


def test_patient_must_be_known_where_asked_for(tmp_path: Path) -> None:
    """The message says how to name them."""
    _, result = _cut(tmp_path, _slides(tmp_path, 1), "--group-by", "patient")

    assert result.exit_code == 1
    assert "columns path and patient" in result.stderr


def test_too_few_slides_are_said_to_be_too_few(tmp_path: Path) -> None:
    """Splits are left to a later run with more slides, or tiles are parted."""
    drawn = _slides(tmp_path, 1)

    out, alone = _cut(tmp_path, drawn)
    unsplit = {line["split"] for line in _manifest(out)}
    _, by_tile = _cut(tmp_path, drawn, "--group-by", "tile")

    assert "at least 3 are needed" in alone.stderr
    assert unsplit == {""}
    assert by_tile.exit_code == 0
    assert {line["split"] for line in _manifest(out)} == {"train", "val", "test"}
    assert "Tiles of one slide" in read_folder(out).info.limits


def test_data_set_without_labels_is_warned_of(tmp_path: Path) -> None:
    """All that is drawn may be ignored; training would only say that there are no pictures."""
    slide_file(tmp_path, "s0")
    path = write_annotations(tmp_path / "s0.geojson", [("Fold", box(100, 50, 300, 200))])
    rules = 'ignore = ["Fold"]' + CLASS_MAP.replace('background = "Stroma"', "")
    (tmp_path / "map.toml").write_text(rules, "utf-8")

    out, result = _cut(tmp_path, path, "--class-map", tmp_path / "map.toml")

    assert result.exit_code == 0, result.output
    assert _manifest(out) == []
    assert "no tile holds a label" in result.stderr


def test_slides_can_be_added(tmp_path: Path) -> None:
    """The manifest always names all slides of the folder."""
    drawn, out = _slides(tmp_path, 4), tmp_path / "out"

    for first, last in ((0, 2), (2, 4)):
        slides = [tmp_path / f"s{index}.tiff" for index in range(first, last)]
        run_tile(*slides, "--out", out, "--annotations", drawn)

    assert {line["slide"] for line in _manifest(out)} == {"s0", "s1", "s2", "s3"}
    assert len(read_folder(out).train) >= 10


def test_changed_annotations_replace_what_was_cut(tmp_path: Path) -> None:
    """Pairs of the earlier cut do not stay behind."""
    drawn = _slides(tmp_path, 1)
    out, _ = _cut(tmp_path, drawn)
    shapes = [("Stroma", box(0, 0, 100, 100)), ("Tumor", box(10, 10, 50, 50))]
    write_annotations(drawn / "s0.geojson", shapes)

    _, refused = _cut(tmp_path, drawn)
    _, replaced = _cut(tmp_path, drawn, "--overwrite")

    assert refused.exit_code == 1
    assert "--overwrite" in refused.stderr
    assert replaced.exit_code == 0, replaced.output
    for folder in ("images", "masks"):
        assert [path.name for path in (out / folder).iterdir()] == ["s0_x0_y0.png"]


def test_slide_with_annotations_of_another_fails_alone(tmp_path: Path) -> None:
    """It is named, the others make a data set, and the exit code says so."""
    drawn = _slides(tmp_path, 4)
    write_annotations(drawn / "s1.geojson", [("Tumor", box(9000, 9000, 9500, 9500))])

    out, result = _cut(tmp_path, drawn)

    assert result.exit_code == 3
    assert "s1" in result.stderr
    assert "another slide" in result.stderr
    assert {line["slide"] for line in _manifest(out)} == {"s0", "s2", "s3"}


def test_unreadable_tiles_are_no_white_images(tmp_path: Path) -> None:
    """A label on a patch that nobody can see would teach glass."""
    slide = slide_file(tmp_path, "s0", downsamples=(1,))
    corrupt_tile(slide, 0, col=1, row=0)
    path = write_annotations(tmp_path / "s0.geojson", SHAPES)

    out, result = _cut(tmp_path, path)

    assert result.exit_code == 0, result.output
    assert "s0_x128_y0.png" not in {line["name"] for line in _manifest(out)}
    assert "1 tile left out that cannot be decoded" in result.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--save", "none"), "images are what is made"),
        (("--group-by", "tile", "--overlap", "8"), "--overlap 0"),
    ],
)
def test_impossible_settings_are_refused(
    tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    """The message says what to change."""
    _, result = _cut(tmp_path, _slides(tmp_path, 1), *options)

    assert result.exit_code == 1
    assert message in result.stderr


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--class-map", "classes.toml"),
        ("--group-by", "patient"),
        ("--val-share", 0.15),
        ("--test-share", 0.2),
        ("--seed", 0),
    ],
)
def test_options_about_annotations_need_them(tmp_path: Path, option: str, value: object) -> None:
    """Nobody is left to believe that patients are held together; the default value is one, too."""
    result = run_tile(slide_file(tmp_path), "--out", tmp_path / "out", option, value)

    assert result.exit_code == 2
    assert f"{option} has no effect without --annotations" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["s0.png", "s0.tif", "s0.zarr"])
def test_masks_are_labels_too(tmp_path: Path, name: str) -> None:
    """Pictures and TIFFs by their codes, a mask store by the names of its classes."""
    drawn = _slides(tmp_path, 1)
    (drawn / "s0.geojson").unlink()
    mask = np.tile(np.repeat(np.array([0, 1, 2], np.uint8), 100), (200, 1))  # of 2 × 2 level-0 px
    if name.endswith(".zarr"):
        write_store(drawn / name, mask, mpp=0.5, slide_id="s0")
    else:
        write_picture(drawn / name, mask)
    rules = write_classes(tmp_path / "classes.toml", CLASSES)

    out, result = _cut(tmp_path, drawn, "--class-map", rules)

    assert result.exit_code == 0, result.output
    label = picture_of(out / "masks" / "s0_x128_y0.png")
    assert label[0].tolist() == [0] * 72 + [1] * 56
