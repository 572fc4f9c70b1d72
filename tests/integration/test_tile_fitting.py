"""``dfaseg tile`` cuts no slide that would not fit the data set it is added to."""

import shutil
from pathlib import Path

import pytest

from dfaseg.cutting import many
from dfaseg.datasets.folder import read_folder
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


def test_damaged_record_is_named_before_cutting(
    tmp_path: Path, first_day: tuple[Path, tuple[object, ...]]
) -> None:
    """What is advised, in two steps, helps."""
    out, arguments = first_day
    (out / "s1" / "s1.tiles.json").write_text("{", "utf-8")

    named = run_tile(*arguments)
    (out / "s1").rename(tmp_path / "away")
    images = run_tile(*arguments)
    for path in (*out.glob("images/s1_*"), *out.glob("masks/s1_*")):
        path.unlink()
    mended = run_tile(*arguments)

    assert named.exit_code == 1
    assert "s1.tiles.json': damaged; move the folder it lies in away" in named.stderr
    assert images.exit_code == 1
    assert "move all such files away" in images.stderr
    assert mended.exit_code == 0, mended.output
