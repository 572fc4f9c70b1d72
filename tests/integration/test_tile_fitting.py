"""``dfaseg tile`` cuts no slide that would not fit the data set it is added to."""

import shutil
from pathlib import Path

import pytest

from dfaseg.cutting import many
from dfaseg.cutting.record import SlideRecord
from dfaseg.datasets.folder import read_folder
from dfaseg.errors import DatasetError, StoppedError
from dfaseg.slide.inputs import SlideInput
from tests.cutting import box, run_tile, slide_file, write_annotations, written_files

STROMA, TUMOR = ("Stroma", box(0, 0, 600, 256)), ("Tumor", box(100, 50, 300, 200))


@pytest.fixture
def first_day(tmp_path: Path) -> tuple[Path, tuple[object, ...]]:
    """Return a data set of three slides with two classes, and what made it."""
    drawn = tmp_path / "day1"
    drawn.mkdir()
    slides = [slide_file(tmp_path, f"s{index}", seed=index) for index in range(3)]
    for slide in slides:
        write_annotations(drawn / f"{slide.stem}.geojson", [STROMA, TUMOR])
    out = tmp_path / "out"
    arguments = (*slides, "--out", out, "--annotations", drawn)
    assert run_tile(*arguments).exit_code == 0
    return out, arguments


@pytest.fixture
def late(tmp_path: Path) -> tuple[object, ...]:
    """Return the arguments for a slide that came later and has one of the classes only."""
    path = write_annotations(tmp_path / "late.geojson", [TUMOR])
    return (slide_file(tmp_path, "late", seed=9), "--annotations", path)


def test_other_classes_are_refused_before_cutting(
    tmp_path: Path, first_day: tuple[Path, tuple[object, ...]], late: tuple[object, ...]
) -> None:
    """The data set stays whole, both sides are named, and what is advised helps."""
    out, arguments = first_day
    before = written_files(out)

    refused = run_tile(*late, "--out", out)
    again = run_tile(*arguments)
    unchanged = written_files(out)
    shutil.copyfile(out / "classes.toml", tmp_path / "map.toml")
    advised = run_tile(*late, "--out", out, "--class-map", tmp_path / "map.toml")

    assert refused.exit_code == 1
    assert "cut with the classes 'Stroma', 'Tumor', and now the classes 'Tumor'" in refused.stderr
    assert "pass a --class-map that lists the former" in refused.stderr
    assert (again.exit_code, unchanged) == (0, before)
    assert advised.exit_code == 0, advised.output
    data = read_folder(out)
    images = [*data.train, *data.val, *data.test]
    assert {image.case for image in images} == {"s0", "s1", "s2", "late"}


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--mpp", "1", "cut with 0.5 µm/px, and now 1 µm/px are asked for; pass --mpp 0.5"),
        ("--save", "jpeg", "cut with png images, and now jpeg images are asked for"),
    ],
)
def test_slide_is_not_replaced_by_one_that_does_not_fit(
    first_day: tuple[Path, tuple[object, ...]], option: str, value: str, message: str
) -> None:
    """Its good tiles stay; where all slides are replaced at once, nothing else has to fit."""
    out, arguments = first_day
    before = written_files(out)

    refused = run_tile(arguments[0], *arguments[3:], option, value, "--overwrite")
    unchanged = written_files(out)
    not_overwritten = run_tile(*arguments, option, value)
    replaced = run_tile(*arguments, option, value, "--overwrite")

    assert refused.exit_code == 1
    assert message in refused.stderr
    assert unchanged == before
    assert not_overwritten.exit_code == 1
    assert "--overwrite" in not_overwritten.stderr
    assert replaced.exit_code == 0, replaced.output
    read_folder(out)


def test_misfits_of_an_earlier_version_can_be_mended(
    tmp_path: Path,
    first_day: tuple[Path, tuple[object, ...]],
    late: tuple[object, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A folder in which the slides have different classes, as jobs side by side could make it."""
    out, arguments = first_day
    shutil.copyfile(out / "classes.toml", tmp_path / "map.toml")
    monkeypatch.setattr(many, "check_fit", lambda *_: None)
    broken = run_tile(*late, "--out", out)
    monkeypatch.undo()

    refused = run_tile(*arguments)
    advised = run_tile(*late, "--out", out, "--class-map", tmp_path / "map.toml", "--overwrite")
    again = run_tile(*arguments)

    assert broken.exit_code == 1
    assert "slides 'late' and 's0': one was cut with the classes 'Tumor', the other" in (
        broken.stderr
    )
    assert refused.exit_code == 1
    assert "slide 'late' was cut with the classes 'Tumor'" in refused.stderr
    assert (advised.exit_code, again.exit_code) == (0, 0), advised.output + again.output
    read_folder(out)


def test_slide_without_patient_is_refused_before_cutting(
    first_day: tuple[Path, tuple[object, ...]], late: tuple[object, ...]
) -> None:
    """As are those that are there and have none."""
    out, _ = first_day
    before = written_files(out)

    result = run_tile(*late, "--out", out.parent / "new", "--group-by", "patient")

    assert result.exit_code == 1
    assert "1 slides have no patient, e.g. 'late'" in result.stderr
    assert not (out.parent / "new").exists()
    assert written_files(out) == before


@pytest.mark.parametrize("name", ["s1.tiles.json", "s1.pairs.csv"])
def test_what_is_advised_where_a_record_is_damaged_helps(
    tmp_path: Path, first_day: tuple[Path, tuple[object, ...]], name: str
) -> None:
    """In two steps: the folder of the slide, and then its images."""
    out, arguments = first_day
    (out / "s1" / name).write_text("{", "utf-8")

    named = run_tile(*arguments)
    (out / "s1").rename(tmp_path / "away")
    images = run_tile(*arguments)
    for path in (*out.glob("images/s1_*"), *out.glob("masks/s1_*")):
        path.unlink()
    mended = run_tile(*arguments)

    assert named.exit_code == 1
    assert f"{name}': " in named.stderr
    assert "damaged; move the folder" in named.stderr
    assert images.exit_code == 1
    assert "move all such files away" in images.stderr
    assert mended.exit_code == 0, mended.output


def test_slide_cut_without_annotations_leaves_the_data_set(
    first_day: tuple[Path, tuple[object, ...]],
) -> None:
    """What is said of the others stays; the last one takes the files of the data set along."""
    out, arguments = first_day
    slides = arguments[:3]
    lines = (out / "manifest.csv").read_text("utf-8").splitlines()
    classes = (out / "classes.toml").read_bytes()

    one = run_tile(slides[1], "--out", out, "--overwrite")
    left = (out / "manifest.csv").read_text("utf-8").splitlines()
    images = sorted(path.name for path in (out / "images").iterdir())
    same_classes = (out / "classes.toml").read_bytes() == classes
    all_three = run_tile(*slides, "--out", out, "--overwrite")

    assert one.exit_code == 0, one.output
    assert "'s1' is cut without annotations now" in " ".join(one.stderr.split())
    assert left == [line for line in lines if not line.startswith("s1_")]
    assert images == sorted(line.split(",")[0] for line in left[1:])
    assert same_classes
    assert all_three.exit_code == 0, all_three.output
    assert not (out / "classes.toml").exists()
    assert not (out / "manifest.csv").exists()


def test_data_set_of_others_is_kept_by_a_plain_run(
    tmp_path: Path, first_day: tuple[Path, tuple[object, ...]]
) -> None:
    """A copy without our records, into whose folder the same slides are cut; and a remark."""
    out, arguments = first_day
    copied = tmp_path / "copied"
    for name in ("images", "masks"):
        shutil.copytree(out / name, copied / name)
    for name in ("classes.toml", "manifest.csv"):
        shutil.copyfile(out / name, copied / name)
    before = written_files(copied)
    with (out / "classes.toml").open("a", encoding="utf-8") as file:
        file.write("# dear\n")

    beside = run_tile(*arguments[:3], "--out", copied)
    inside = run_tile(*arguments[:3], "--out", out, "--overwrite")

    assert (beside.exit_code, inside.exit_code) == (0, 0), beside.output + inside.output
    assert before.items() <= written_files(copied).items()
    assert "# dear" in (out / "classes.toml").read_text("utf-8")
    assert not (out / "manifest.csv").exists()


def test_half_replaced_slides_are_no_data_set(
    first_day: tuple[Path, tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """New masks under the old names of classes would be learnt from without a word."""
    out, arguments = first_day
    swapped = out.parent / "swapped.toml"
    classes = (
        f'[[class]]\nindex = {index}\nname = "{name}"\ncolour = "#1{index}2030"\n'
        for index, name in enumerate(("Tumor", "Stroma"))
    )
    swapped.write_text("".join(classes), "utf-8")
    again = (*arguments, "--class-map", swapped, "--overwrite")
    cut = many.tile_slide

    def cut_one(source: SlideInput, *rest: object, **options: object) -> SlideRecord:
        if source.id == "s1":
            raise StoppedError("stopped")
        return cut(source, *rest, **options)

    with monkeypatch.context() as patched:
        patched.setattr(many, "tile_slide", cut_one)
        stopped = run_tile(*again)
    assert stopped.exit_code == 75, stopped.output
    with pytest.raises(DatasetError):
        read_folder(out)
    finished = run_tile(*again)

    assert finished.exit_code == 0, finished.output
    assert read_folder(out).info.class_map.names == ("Tumor", "Stroma")


def test_parts_replace_a_data_set_one_after_the_other(
    first_day: tuple[Path, tuple[object, ...]],
) -> None:
    """The first to end leaves its slides beside those to come; the last makes the data set."""
    out, arguments = first_day
    again = (*arguments, "--mpp", "1", "--overwrite")

    first = run_tile(*again, "--shard", "1/2")
    with pytest.raises(DatasetError):
        read_folder(out)
    second = run_tile(*again, "--shard", "2/2")

    assert (first.exit_code, second.exit_code) == (0, 0), first.output + second.output
    assert "no data set is there until all parts are done" in first.stderr
    assert read_folder(out).info.mpp == 1
