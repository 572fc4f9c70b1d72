"""What would make scores wrong is refused before training."""

from pathlib import Path

import pytest

from dfaseg.datasets.checks import check_cases, check_files, check_names, find_pictures
from dfaseg.datasets.dataset import Example, LabelledImage
from dfaseg.errors import DatasetError


def _unread() -> LabelledImage:
    raise AssertionError


def _example(name: str, case: str) -> Example:
    return Example(name, case, _unread)


def test_case_in_two_splits_is_refused() -> None:
    """The case and both splits are named."""
    splits = {"train": [_example("a", "p1")], "test": [_example("b", "p2"), _example("c", "p1")]}

    with pytest.raises(DatasetError, match="case 'p1': lies in the splits train and test"):
        check_cases(splits)


def test_image_without_a_case_is_refused() -> None:
    """Its patient may lie in another split under a name."""
    with pytest.raises(DatasetError, match="image 'b': its table names no case"):
        check_cases({"train": [_example("a", "p1"), _example("b", "")]})


def test_name_that_comes_twice_is_refused() -> None:
    """Scores per image need names that differ."""
    with pytest.raises(DatasetError, match="image 'a': comes twice"):
        check_names([_example("a", "p1"), _example("a", "p2")])


def test_missing_files_are_counted(tmp_path: Path) -> None:
    """The first that is missing is named, with what to do."""
    (tmp_path / "here.png").touch()
    files = [tmp_path / name for name in ("here.png", "gone.png", "lost.png")]

    with pytest.raises(DatasetError, match=r"2 of 3 files.*gone\.png'; fetch it"):
        check_files(tmp_path, files, "fetch it")


def test_pictures_are_found_in_order_without_hidden_files(tmp_path: Path) -> None:
    """Files that are no pictures and those that systems leave behind do not count."""
    for name in ("b.PNG", "a.jpg", "._a.jpg", "notes.txt"):
        (tmp_path / name).touch()

    assert list(find_pictures(tmp_path, {".png", ".jpg"})) == ["a", "b"]
    assert find_pictures(tmp_path / "none", {".png"}) == {}


def test_two_pictures_of_one_name_are_refused(tmp_path: Path) -> None:
    """Which of both is meant cannot be known."""
    for name in ("a.jpg", "a.png"):
        (tmp_path / name).touch()

    with pytest.raises(DatasetError, match=r"a\.jpg' and 'a\.png'"):
        find_pictures(tmp_path, {".png", ".jpg"})
