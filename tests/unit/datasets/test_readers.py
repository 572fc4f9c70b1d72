"""Data sets are found by name, with or without a folder."""

import errno
import os
from pathlib import Path

import pytest

from dfaseg.datasets.readers import read_dataset
from dfaseg.errors import ConfigError, DatasetError
from tests.datasets_trees import write_folder_tree


def test_made_data_set_needs_no_folder() -> None:
    """The synthetic data set comes without a root."""
    assert len(read_dataset("synthetic", None).train) == 200


@pytest.mark.parametrize(
    ("name", "root", "message"),
    [
        ("nonesuch", Path(), "unknown; use one of .*ebhi.*synthetic"),
        ("ebhi", None, "give its folder with --root"),
        ("synthetic", Path(), "leave out --root"),
    ],
)
def test_name_and_folder_must_fit(name: str, root: Path | None, message: str) -> None:
    """An unknown name, a missing folder and a useless one are each refused."""
    with pytest.raises(ConfigError, match=message):
        read_dataset(name, root)


def test_folder_that_must_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A colleague's folder without permissions is one line, not a traceback."""
    write_folder_tree(tmp_path, ["a", "b", "c"])

    def refuse(path: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)

    with pytest.raises(DatasetError, match=r"images' cannot be read \(Permission denied\)"):
        read_dataset("folder", tmp_path)
