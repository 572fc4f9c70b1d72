"""Slides, their labels and their splits are matched by name."""

from pathlib import Path

import pytest

from dfaseg.datasets.slide_table import find_slides
from dfaseg.errors import DatasetError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a folder of four empty files that are called slides, with masks."""
    for name in "abcd":
        touch(tmp_path / "slides" / f"{name}.svs")
        touch(tmp_path / "masks" / f"{name}.png")
    return tmp_path


def touch(path: Path) -> None:
    """Make an empty file."""
    path.parent.mkdir(exist_ok=True)
    path.touch()


def write_table(root: Path, *lines: str) -> None:
    """Write splits.csv."""
    (root / "splits.csv").write_text("\n".join(lines) + "\n")


def test_table_gives_split_case_and_resolution(tree: Path) -> None:
    """Slides may be named with or without their ending; empty cells mean nothing."""
    write_table(
        tree, "slide,split,case,mpp", "a,train,p,0.5", "b.svs,train,p,", "c,val,,", "d,test,q,2"
    )

    found = [(one.name, one.split, one.case, one.mpp) for one in find_slides(tree)]

    assert found == [
        ("a", "train", "p", 0.5),
        ("b", "train", "p", None),
        ("c", "val", "c", None),
        ("d", "test", "q", 2.0),
    ]


def test_table_of_a_spreadsheet_is_read(tree: Path) -> None:
    """Spreadsheets put a byte order mark in front and semicolons between cells."""
    (tree / "splits.csv").write_text("Slide;Split\na;train\nb;val\nc;test\nd;test\n", "utf-8-sig")

    assert [one.split for one in find_slides(tree)] == ["train", "val", "test", "test"]


def test_without_table_every_split_has_a_slide(tree: Path) -> None:
    """Slides are dealt by their names."""
    assert {one.split for one in find_slides(tree)} == {"train", "val", "test"}
    assert find_slides(tree) == find_slides(tree)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["slide", "a"], "lacks the column 'split'"),
        (["slide,split", "x,train"], "'x' is no slide"),
        (["slide,split", "a,train", "a.svs,val"], "'a.svs' comes twice"),
        (["slide,split", "a,train", "b,val", "c,test"], "lacks the slide 'd'"),
        (["slide,split,case", "a"], r"entry 1 \('a'\) has 1 of 3 columns"),
        (["slide,split", "a,dev"], "slide 'a' is in the split 'dev'"),
        (["slide,split,mpp", "a,train,fine"], "'fine' is no resolution of the slide 'a'"),
        (["slide,split,mpp", "a,train,250"], "'250' is no resolution"),
    ],
)
def test_table_that_does_not_fit_is_named(tree: Path, lines: list[str], problem: str) -> None:
    """The message names the table and the slide."""
    write_table(tree, *lines)

    with pytest.raises(DatasetError, match=rf"splits\.csv': {problem}"):
        find_slides(tree)


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        ("slides/e.ndpi", "slide 'e' has neither a mask nor annotations"),
        ("masks/e.png", "slide 'e' has a label, but there is no such slide"),
        ("annotations/a.json", "slide 'a' has both a mask and annotations"),
        ("slides/a.tif", "'a.svs' and 'a.tif' have one name"),
    ],
)
def test_files_without_partners_are_named(tree: Path, extra: str, problem: str) -> None:
    """Each slide has one label and each label one slide."""
    touch(tree / extra)

    with pytest.raises(DatasetError, match=problem):
        find_slides(tree)


def test_two_annotations_of_one_slide_are_named(tree: Path) -> None:
    """Which of both is meant cannot be known."""
    touch(tree / "annotations" / "a.json")
    touch(tree / "annotations" / "a.geojson.gz")

    with pytest.raises(DatasetError, match=r"'a\.geojson\.gz' and 'a\.json' belong to one slide"):
        find_slides(tree)


def test_two_slides_need_a_table(tree: Path) -> None:
    """Three splits need three slides."""
    for name in "cd":
        (tree / "slides" / f"{name}.svs").unlink()
        (tree / "masks" / f"{name}.png").unlink()

    with pytest.raises(DatasetError, match=r"2 slides cannot be dealt.*splits\.csv"):
        find_slides(tree)
