"""CRAG is read as published, in all of its versions."""

from pathlib import Path

import numpy as np
import pytest

from dfaseg.datasets.crag import read_crag
from dfaseg.datasets.load import load_split
from dfaseg.datasets.readers import read_dataset
from dfaseg.errors import DatasetError
from tests.datasets_trees import make_image, make_mask, write_crag_tree, write_picture


@pytest.mark.parametrize("test_folder", ["valid", "test"])
@pytest.mark.parametrize("masks", ["Annotation", "Annotations"])
def test_versions_with_other_folder_names_are_read(
    tmp_path: Path, test_folder: str, masks: str
) -> None:
    """Folders are named differently in the versions; gland is any number above 0."""
    write_crag_tree(tmp_path, test_folder, masks)

    data = read_dataset("crag", tmp_path)

    test = load_split(data.test)
    assert test.names == ("test_1", "test_2")
    assert np.unique(test.labels[0]).tolist() == [0, 1]
    assert test.labels[0].shape != test.labels[1].shape


def test_validation_is_blocks_of_neighbours(tmp_path: Path) -> None:
    """Every fifth block of nine numbers is held out, in the order of numbers."""
    write_crag_tree(tmp_path)

    data = read_crag(tmp_path)

    assert [example.name for example in data.val] == [f"train_{i}" for i in range(37, 46)]
    assert len(data.train) == 45
    assert data.train[1].name == "train_2"


def test_unknown_patients_are_told(tmp_path: Path) -> None:
    """Nobody can split by patient, and the facts say so."""
    write_crag_tree(tmp_path)

    assert "may share slides" in read_crag(tmp_path).info.limits


def test_folder_of_the_archive_is_found(tmp_path: Path) -> None:
    """The folder into which the archive was unpacked will do."""
    write_crag_tree(tmp_path / "CRAG_v2" / "CRAG")

    assert len(read_crag(tmp_path).test) == 2


def test_masks_without_image_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Version 1 holds annotations of images that do not exist."""
    write_crag_tree(tmp_path)
    write_picture(tmp_path / "valid" / "Annotation" / "test_41.png", make_mask(4, 4, (0,)))

    assert len(read_crag(tmp_path).test) == 2
    assert "1 masks" in caplog.text


def test_fewer_images_than_published_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Scores on a part of the set cannot be compared with others'."""
    write_crag_tree(tmp_path)

    read_crag(tmp_path)

    assert "train 54 of 173, test 2 of 40" in caplog.text


def test_missing_mask_is_named(tmp_path: Path) -> None:
    """An incomplete download is told before training starts."""
    write_crag_tree(tmp_path)
    (tmp_path / "train" / "Annotation" / "train_7.png").unlink()

    with pytest.raises(DatasetError, match=r"1 of 108 files.*train_7\.png.*warwick"):
        read_crag(tmp_path)


def test_other_folder_names_the_official_source(tmp_path: Path) -> None:
    """A wrong folder is one line that says where the data come from."""
    with pytest.raises(DatasetError, match=r"no folder train/Images.*warwick\.ac\.uk"):
        read_crag(tmp_path)


def test_tree_without_test_images_is_refused(tmp_path: Path) -> None:
    """Half an archive is told."""
    write_crag_tree(tmp_path)
    (tmp_path / "valid").rename(tmp_path / "elsewhere")

    with pytest.raises(DatasetError, match="neither of valid/Images and test/Images"):
        read_crag(tmp_path)


def test_folder_without_images_is_refused(tmp_path: Path) -> None:
    """An empty folder is told."""
    write_crag_tree(tmp_path)
    for path in (tmp_path / "valid" / "Images").iterdir():
        path.unlink()

    with pytest.raises(DatasetError, match="no image in"):
        read_crag(tmp_path)


def test_image_without_number_is_refused(tmp_path: Path) -> None:
    """A file that is not of CRAG is named."""
    write_crag_tree(tmp_path)
    write_picture(tmp_path / "train" / "Images" / "extra.png", make_image(4, 4))
    write_picture(tmp_path / "train" / "Annotation" / "extra.png", make_mask(4, 4, (0,)))

    with pytest.raises(DatasetError, match="image 'extra'"):
        read_crag(tmp_path)
