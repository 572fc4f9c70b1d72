"""EBHI-Seg is read as laid out by its authors, and every gap is named."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.datasets.ebhi import read_ebhi
from dfaseg.datasets.load import load_split
from dfaseg.datasets.pixel_counts import pixel_counts, pixel_frequencies
from dfaseg.datasets.readers import read_dataset
from dfaseg.errors import ConfigError, DatasetError
from tests.labelled import write_ebhi_tree


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a made-up tree of the genuine layout."""
    write_ebhi_tree(tmp_path)
    return tmp_path


def test_splits_are_read_with_their_labels(tree: Path) -> None:
    """Each split has its own images; masks hold the class indices."""
    data = read_dataset("ebhi", tree)
    train = load_split(data.train)

    assert [len(split) for split in (data.train, data.val, data.test)] == [2, 2, 2]
    assert train.names == ("normal_train-0", "normal_train-1")
    assert set(np.unique(train.labels[1])) == {1, IGNORE_INDEX}
    assert data.info.class_map.names[5] == "Adenocarcinoma"


def test_dark_frame_is_neither_seen_nor_scored(tree: Path) -> None:
    """The frame's pixels take their neighbours' colour and are ignored."""
    train = load_split(read_ebhi(tree).train)

    assert min(image.min() for image in train.images) > 50
    label = train.labels[0]
    assert np.all(label[[0, 1, -1, -2]] == IGNORE_INDEX)
    assert np.all(label[2:-2, 2:-2] == 0)


def test_endings_in_capitals_are_read(tree: Path) -> None:
    """Windows does not tell .PNG from .png."""
    for path in [*tree.rglob("*.jpg"), *tree.rglob("*.png")]:
        path.rename(path.with_suffix(path.suffix.upper()))

    assert len(load_split(read_ebhi(tree).train)) == 2


def test_folder_without_table_names_the_official_source(tmp_path: Path) -> None:
    """A wrong folder is one line that says where the data come from."""
    with pytest.raises(DatasetError, match=r"no split.csv.*figshare\.21540159"):
        read_ebhi(tmp_path)


def test_unknown_split_is_named(tree: Path) -> None:
    """Its images were left out in silence."""
    table = tree / "split.csv"
    table.write_text(table.read_text().replace("train,normal_train-1", "Train,normal_train-1"))

    with pytest.raises(DatasetError, match=r"split\.csv': split 'Train' of 'normal_train-1'"):
        read_ebhi(tree)


def test_missing_files_are_counted_and_the_first_named(tree: Path) -> None:
    """An incomplete download is told before training starts."""
    (tree / "val" / "masks" / "normal_val-1.png").unlink()

    with pytest.raises(DatasetError, match=r"1 of 4 files.*normal_val-1\.png.*figshare"):
        read_ebhi(tree)


def test_unreadable_picture_is_named(tree: Path) -> None:
    """A truncated file is named."""
    (tree / "test" / "images" / "normal_test-0.jpg").write_bytes(b"\xff\xd8 not a picture")

    with pytest.raises(DatasetError, match=r"normal_test-0\.jpg.*not a readable picture"):
        load_split(read_ebhi(tree).test)


def test_picture_of_another_size_is_named(tree: Path) -> None:
    """A picture that is not 224 px wide belongs to something else."""
    for path in ("images/normal_train-0.jpg", "masks/normal_train-0.png"):
        cv2.imwrite(str(tree / "train" / path), np.zeros((100, 90), np.uint8))

    with pytest.raises(DatasetError, match="90 × 100 px"):
        load_split(read_ebhi(tree).train)


def test_case_in_two_splits_is_refused(tree: Path) -> None:
    """A case must not be learnt from and tested on."""
    table = tree / "split.csv"
    table.write_text(table.read_text().replace("normal_val-0,val", "normal_val-0,train"))

    with pytest.raises(DatasetError, match="case 'train'"):
        read_ebhi(tree)


def test_split_without_images_is_named(tree: Path) -> None:
    """A table without a test split is told."""
    table = tree / "split.csv"
    lines = [line for line in table.read_text().splitlines() if not line.startswith("test")]
    table.write_text("\n".join(lines) + "\n")

    with pytest.raises(DatasetError, match="no image of the split 'test'"):
        read_ebhi(tree)


def test_table_without_a_column_is_named(tree: Path) -> None:
    """A table of another make is told."""
    (tree / "split.csv").write_text("split,name\ntrain,a\n")

    with pytest.raises(DatasetError, match="lacks the column 'case'"):
        read_ebhi(tree)


def test_unknown_data_set_lists_the_known() -> None:
    """A name that is no data set is answered with those that are."""
    with pytest.raises(ConfigError, match="ebhi"):
        read_dataset("imagenet", Path())


@pytest.mark.slow
def test_real_data_set_has_the_published_shares(real_data: Path) -> None:
    """The real images: 1,981 of them, classes in the shares stated with the split."""
    root = real_data / "ebhi_seg"
    if not root.is_dir():
        pytest.skip(f"no EBHI-Seg in '{real_data}'")

    data = read_ebhi(root)

    frequencies = pixel_frequencies(pixel_counts(load_split(data.train), 7))
    assert [len(split) for split in (data.train, data.val, data.test)] == [1313, 283, 385]
    expected = [0.364, 0.025, 0.107, 0.199, 0.057, 0.231, 0.018]
    assert frequencies == pytest.approx(expected, abs=0.006)
